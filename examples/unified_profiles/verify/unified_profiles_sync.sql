-- Verify unified_profiles:unified_profiles_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
    IF (pgtandem.mapping_of('unified_profiles')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('vibelife.vibe_users',
                                     'trigger_sync_account_to_profile_write');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users',
                                     'trigger_sync_account_to_profile_update');
    PERFORM pgtandem.require_trigger('vibelife.unified_profiles',
                                     'pgtandem_unified_profiles_back_write');
    PERFORM pgtandem.require_trigger('vibelife.unified_profiles',
                                     'pgtandem_unified_profiles_back_update');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users',
                                     'trigger_sync_account_to_profile_truncate');
    PERFORM pgtandem.require_trigger('vibelife.unified_profiles',
                                     'pgtandem_unified_profiles_truncate');
    PERFORM pgtandem.require_immediate('vibelife.unified_profiles');
END;
$do$;

ROLLBACK;
