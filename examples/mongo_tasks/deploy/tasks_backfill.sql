-- Deploy mongo_tasks:tasks_backfill to pg
-- requires: tasks_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of staging.tasks is complete. A small rest (up to 100 MB) it
-- copies itself; for a large one it stops and says which command to run. It has no BEGIN, as the
-- copy commits chunk by chunk.
--
-- Locks: staging.tasks SHARE ROW EXCLUSIVE for some milliseconds, to disable one trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('tasks',
        'cf1f779454bd3363d2d21ab93b69151579ab7d12e67fa6a499ffda2904ef8dce');
    PERFORM pgtandem.require_small_rest('tasks');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('tasks');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"staging.tasks"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('tasks');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE staging.tasks DISABLE TRIGGER pgtandem_tasks_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('tasks', 'backfill');
END;
$do$;

COMMIT;
