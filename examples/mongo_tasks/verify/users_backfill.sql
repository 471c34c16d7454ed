-- Verify mongo_tasks:users_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "users", SHA-256 cd0533f7a0975394.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('users',
        'cd0533f7a0975394912624445a321ee39e454afe08c823a65215727fb4b44ba3');
    PERFORM pgtandem.require_complete('users');
END;
$do$;

ROLLBACK;
