-- Deploy mongo_tasks:users_backfill to pg
-- requires: users_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "users", SHA-256 cd0533f7a0975394.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of staging.users is complete. A small rest (up to 100 MB) it
-- copies itself; for a large one it stops and says which command to run. It has no BEGIN, as the
-- copy commits chunk by chunk.
--
-- Locks: staging.users SHARE ROW EXCLUSIVE for some milliseconds, to disable one trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('users',
        'cd0533f7a0975394912624445a321ee39e454afe08c823a65215727fb4b44ba3');
    PERFORM pgtandem.require_small_rest('users');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('users');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"staging.users"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('users');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE staging.users DISABLE TRIGGER pgtandem_users_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('users', 'backfill');
END;
$do$;

COMMIT;
