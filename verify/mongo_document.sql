-- Verify pgtandem:mongo_document on pg

BEGIN;

SELECT 'pgtandem.mongo_id_uuid(text)'::regprocedure;
SELECT 'pgtandem.mongo_id_time(text)'::regprocedure;
SELECT 'pgtandem.mongo_array(jsonb, text)'::regprocedure;
SELECT 'pgtandem.mongo_date(timestamptz)'::regprocedure;
SELECT 'pgtandem.mongo_decimal(numeric)'::regprocedure;
SELECT 'pgtandem.mongo_number(double precision)'::regprocedure;
SELECT 'pgtandem.mongo_number(numeric)'::regprocedure;
SELECT 'pgtandem.mongo_binary(bytea, text)'::regprocedure;
SELECT 'pgtandem.mongo_oids(text[])'::regprocedure;
SELECT 'pgtandem._mongo_relaxed(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_json(jsonb)'::regprocedure;
SELECT 'pgtandem._mongo_within(text, text, text)'::regprocedure;
SELECT 'pgtandem._mongo_flaw(jsonb, text, text)'::regprocedure;
SELECT 'pgtandem.mongo_flaw(jsonb, text, text)'::regprocedure;
SELECT 'pgtandem.mongo_unread(jsonb, jsonb)'::regprocedure;
SELECT 'pgtandem.require_old_view(text, text)'::regprocedure;

ROLLBACK;
