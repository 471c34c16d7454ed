-- Revert mongo_tasks:subtasks_expand from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "subtasks", SHA-256 d309b5ec03c0fbc0.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Forgets the mapping. Both tables stay as they are, with all their rows.
--
-- Locks: nothing for longer than writing the catalogs.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT NOT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'subtasks' AND phase IN ('expand', 'sync', 'backfill', 'contract')
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
    PERFORM pgtandem.forget_mapping('subtasks');
END;
$do$;
DROP FUNCTION pgtandem_subtasks.measure_chunk(regclass, bigint, bigint, text);
DROP VIEW app.subtasks_documents;
DROP FUNCTION pgtandem_subtasks.checked(text);
DROP FUNCTION pgtandem_subtasks.compared_keys(jsonb);
DROP FUNCTION pgtandem_subtasks.compared(text, text);
DROP VIEW pgtandem_subtasks.image;
DROP SCHEMA pgtandem_subtasks;

COMMIT;
