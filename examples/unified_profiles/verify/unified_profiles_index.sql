-- Verify unified_profiles:unified_profiles_index on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where an index is missing, not valid, or not that of the mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
    PERFORM pgtandem.require_index('vibelife.unified_profiles', 'idx_profile_account_email', true,
                                   'USING btree ((profile #>> ''{account,email}''))');
    PERFORM pgtandem.require_index('vibelife.unified_profiles', 'idx_profile_birth_date', false,
                                   'USING btree ((profile #>> ''{birth_info,birth_date}''))');
    PERFORM pgtandem.require_index('vibelife.unified_profiles', 'idx_profile_interests', false,
                                   'USING gin ((profile #> ''{preferences,interests}'') '
                                   'jsonb_path_ops)');
    PERFORM pgtandem.require_index('vibelife.unified_profiles', 'idx_profile_deletion', false,
                                   'USING btree ((profile #>> ''{deletion,scheduled_for}'')) WHERE '
                                   '(profile #>> ''{deletion,scheduled_for}'' IS NOT NULL)');
END;
$do$;

ROLLBACK;
