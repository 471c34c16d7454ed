-- Revert mongo_tasks:tasks_expand from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Forgets the mapping. Both tables stay as they are, with all their rows.
--
-- Locks: nothing for longer than writing the catalogs.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT NOT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'tasks' AND phase IN ('expand', 'sync', 'backfill', 'contract')
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
    PERFORM pgtandem.forget_mapping('tasks');
END;
$do$;
DROP FUNCTION pgtandem_tasks.measure_chunk(regclass, bigint, bigint, text);
DROP VIEW app.tasks_documents;
DROP FUNCTION pgtandem_tasks.checked(text);
DROP FUNCTION pgtandem_tasks.compared_keys(jsonb);
DROP FUNCTION pgtandem_tasks.compared(text, text);
DROP VIEW pgtandem_tasks.image;
DROP SCHEMA pgtandem_tasks;

COMMIT;
