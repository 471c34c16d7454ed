-- Verify pgtandem:extended_json on pg

BEGIN;

SELECT 'pgtandem._mongo_wrapped(jsonb)'::regprocedure;
SELECT 'pgtandem._mongo_time(text)'::regprocedure;
SELECT 'pgtandem._mongo_number(jsonb, text)'::regprocedure;
SELECT 'pgtandem._mongo_double(text)'::regprocedure;
SELECT 'pgtandem._mongo_scalar(jsonb, text)'::regprocedure;
SELECT 'pgtandem._mongo_is_null(jsonb)'::regprocedure;
SELECT 'pgtandem._mongo_no(jsonb, text)'::regprocedure;
SELECT 'pgtandem._mongo_must(jsonb, text)'::regprocedure;
SELECT 'pgtandem.mongo_text(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_oid(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_boolean(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_integer(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_bigint(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_numeric(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_double(jsonb)'::regprocedure;
SELECT 'pgtandem._mongo_text_time(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_time(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_uuid(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_bytea(jsonb)'::regprocedure;

ROLLBACK;
