-- Verify danci:profiles_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "profiles", SHA-256 dd5660c2f7fb8aa9.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('profiles',
        'dd5660c2f7fb8aa956a39879f3ac574bb822a0b421314845d23e5ee1e6a2d178');
    IF (pgtandem.mapping_of('profiles')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('danci.user_learning_profiles',
                                     '!pgtandem_profiles_pre_image');
    PERFORM pgtandem.require_trigger('danci.user_learning_profiles', '~pgtandem_profiles_restore');
    PERFORM pgtandem.require_trigger('danci.amas_user_states', 'pgtandem_profiles_write');
    PERFORM pgtandem.require_trigger('danci.amas_user_states', 'pgtandem_profiles_update');
    PERFORM pgtandem.require_trigger('danci.amas_user_states', 'pgtandem_profiles_truncate');
    PERFORM pgtandem.require_deletable('danci.amas_user_states', 'danci.user_learning_profiles');
END;
$do$;

ROLLBACK;
