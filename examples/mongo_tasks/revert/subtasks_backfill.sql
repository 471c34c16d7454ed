-- Revert mongo_tasks:subtasks_backfill from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "subtasks", SHA-256 d309b5ec03c0fbc0.
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
    PERFORM pgtandem.open_copy('subtasks');
END;
$do$;
ALTER TABLE staging.subtasks ENABLE ALWAYS TRIGGER pgtandem_subtasks_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('subtasks', 'sync');
END;
$do$;

COMMIT;
