-- Deploy pgtandem:schema to pg
-- Locks nothing that exists. Needs CREATE on the database.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regnamespace('pgtandem') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE SCHEMA pgtandem;
COMMENT ON SCHEMA pgtandem IS
    'pgtandem, the engine: mappings, chunks, the recheck queue, comparisons, gates and events. '
    'What is rendered from a mapping lives in a schema of its own, pgtandem_<mapping>.';

COMMIT;
