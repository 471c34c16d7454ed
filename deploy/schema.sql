-- Deploy pgtandem:schema to pg
-- Locks nothing that exists. Needs CREATE on the database.

BEGIN;

CREATE SCHEMA pgtandem;
COMMENT ON SCHEMA pgtandem IS
    'pgtandem, the engine: mappings, chunks, the recheck queue, comparisons, gates and events. '
    'What is rendered from a mapping lives in a schema of its own, pgtandem_<mapping>.';

COMMIT;
