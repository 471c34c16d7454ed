-- Verify mongo_tasks:users_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "users", SHA-256 cd0533f7a0975394.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('users',
        'cd0533f7a0975394912624445a321ee39e454afe08c823a65215727fb4b44ba3');
    IF (pgtandem.mapping_of('users')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('staging.users', 'pgtandem_users_write');
    PERFORM pgtandem.require_trigger('staging.users', 'pgtandem_users_update');
    PERFORM pgtandem.require_trigger('staging.users', 'pgtandem_users_truncate');
    PERFORM pgtandem.require_immediate('app.users');
END;
$do$;

ROLLBACK;
