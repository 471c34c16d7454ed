-- Deploy mongo_tasks:subtasks_backfill to pg
-- requires: subtasks_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "subtasks", SHA-256 d309b5ec03c0fbc0.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of staging.subtasks is complete. A small rest (up to 100 MB) it
-- copies itself; for a large one it stops and says which command to run. It has no BEGIN, as the
-- copy commits chunk by chunk.
--
-- Locks: staging.subtasks SHARE ROW EXCLUSIVE for some milliseconds, to disable one trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('subtasks',
        'd309b5ec03c0fbc01ac859c9d1e87692d1d779810f3e5a95e25db2cd96da1fa4');
    PERFORM pgtandem.require_small_rest('subtasks');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('subtasks');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"staging.subtasks"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('subtasks');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE staging.subtasks DISABLE TRIGGER pgtandem_subtasks_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('subtasks', 'backfill');
END;
$do$;

COMMIT;
