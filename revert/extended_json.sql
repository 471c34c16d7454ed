-- Revert pgtandem:extended_json from pg

BEGIN;

DROP FUNCTION IF EXISTS pgtandem.mongo_bytea(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_uuid(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_time(jsonb);
DROP FUNCTION IF EXISTS pgtandem._mongo_text_time(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_double(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_numeric(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_bigint(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_integer(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_boolean(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_oid(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_text(jsonb);
DROP FUNCTION IF EXISTS pgtandem._mongo_must(jsonb, text);
DROP FUNCTION IF EXISTS pgtandem._mongo_no(jsonb, text);
DROP FUNCTION IF EXISTS pgtandem._mongo_is_null(jsonb);
DROP FUNCTION IF EXISTS pgtandem._mongo_scalar(jsonb, text);
DROP FUNCTION IF EXISTS pgtandem._mongo_double(text);
DROP FUNCTION IF EXISTS pgtandem._mongo_number(jsonb, text);
DROP FUNCTION IF EXISTS pgtandem._mongo_time(text);
DROP FUNCTION IF EXISTS pgtandem._mongo_wrapped(jsonb);

COMMIT;
