-- Revert pgtandem:document from pg

BEGIN;

DROP FUNCTION IF EXISTS pgtandem.as_object(jsonb, text[]);
DROP FUNCTION IF EXISTS pgtandem._no_object(jsonb, text[]);
DROP FUNCTION IF EXISTS pgtandem.array_of(jsonb);
DROP FUNCTION IF EXISTS pgtandem.same_time(jsonb, jsonb);
DROP FUNCTION IF EXISTS pgtandem.json_of(timestamptz);

COMMIT;
