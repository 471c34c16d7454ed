-- Revert pgtandem:mongo_document from pg

BEGIN;

DROP FUNCTION IF EXISTS pgtandem.require_old_view(text, text);
DROP FUNCTION IF EXISTS pgtandem.mongo_unread(jsonb, jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_flaw(jsonb, text, text);
DROP FUNCTION IF EXISTS pgtandem._mongo_flaw(jsonb, text, text);
DROP FUNCTION IF EXISTS pgtandem._mongo_within(text, text, text);
DROP FUNCTION IF EXISTS pgtandem.mongo_json(jsonb);
DROP FUNCTION IF EXISTS pgtandem._mongo_relaxed(jsonb);
DROP FUNCTION IF EXISTS pgtandem.mongo_oids(text[]);
DROP FUNCTION IF EXISTS pgtandem.mongo_binary(bytea, text);
DROP FUNCTION IF EXISTS pgtandem.mongo_number(double precision);
DROP FUNCTION IF EXISTS pgtandem.mongo_number(numeric);
DROP FUNCTION IF EXISTS pgtandem.mongo_decimal(numeric);
DROP FUNCTION IF EXISTS pgtandem.mongo_date(timestamptz);
DROP FUNCTION IF EXISTS pgtandem.mongo_array(jsonb, text);
DROP FUNCTION IF EXISTS pgtandem.mongo_id_time(text);
DROP FUNCTION IF EXISTS pgtandem.mongo_id_uuid(text);

COMMIT;
