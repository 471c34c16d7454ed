-- Revert mongo_tasks:tasks_sync from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Ends the sync: app.tasks keeps its rows and is no longer kept equal. No write is lost, as the
-- source holds all of them. What is set on the first copy only, and every other column of the
-- target, stays in the target.
--
-- Locks: both tables ACCESS EXCLUSIVE until the commit, some milliseconds, asked for in short
-- tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'tasks' AND phase IN ('expand')
       ) AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"staging.tasks", "app.tasks"}', 'ACCESS EXCLUSIVE');
END;
$do$;

DROP TRIGGER pgtandem_tasks_write ON staging.tasks;
DROP TRIGGER pgtandem_tasks_update ON staging.tasks;
DROP TRIGGER pgtandem_tasks_moved ON staging.tasks;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_tasks'::regnamespace
          AND p.proname IN ('truncate_source')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;
DROP FUNCTION pgtandem_tasks.sync_forward();
DROP FUNCTION pgtandem_tasks.truncate_source();
DROP FUNCTION pgtandem_tasks.queue_extra();
DROP FUNCTION pgtandem_tasks.copy_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_tasks.chunk_keys(regclass, bigint, bigint);
DROP FUNCTION pgtandem_tasks.settle(jsonb);
DROP FUNCTION pgtandem_tasks.was_contracted();
DROP FUNCTION pgtandem_tasks.copy_is_open();

DO $do$
BEGIN
    PERFORM pgtandem.close_sync('tasks');
    PERFORM pgtandem.set_phase('tasks', 'expand');
END;
$do$;

COMMIT;
