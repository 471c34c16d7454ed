-- Revert mongo_tasks:users_backfill from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "users", SHA-256 cd0533f7a0975394.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Opens the copy again. Both tables keep their rows and stay in sync; a second deploy goes over
-- the source once more and writes only what differs.
--
-- Locks: both tables SHARE ROW EXCLUSIVE until the commit, some milliseconds.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.open_copy('users');
END;
$do$;
ALTER TABLE staging.users ENABLE ALWAYS TRIGGER pgtandem_users_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('users', 'sync');
END;
$do$;

COMMIT;
