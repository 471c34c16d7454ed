-- Revert pgtandem:mongo_id from pg

BEGIN;

DROP FUNCTION IF EXISTS pgtandem.mongo_id(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_canonical(jsonb);
DROP FUNCTION IF EXISTS pgtandem._mongo_binary(text, text);
DROP FUNCTION IF EXISTS pgtandem._mongo_date(jsonb);
DROP FUNCTION IF EXISTS pgtandem._mongo_number(text, boolean);

COMMIT;
