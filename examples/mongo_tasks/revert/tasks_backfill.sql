-- Revert mongo_tasks:tasks_backfill from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
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
    PERFORM pgtandem.open_copy('tasks');
END;
$do$;
ALTER TABLE staging.tasks ENABLE ALWAYS TRIGGER pgtandem_tasks_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('tasks', 'sync');
END;
$do$;

COMMIT;
