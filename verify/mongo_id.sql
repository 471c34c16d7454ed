-- Verify pgtandem:mongo_id on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._mongo_number(text, boolean)'::regprocedure;
SELECT 'pgtandem._mongo_date(jsonb)'::regprocedure;
SELECT 'pgtandem._mongo_binary(text, text)'::regprocedure;
SELECT 'pgtandem.mongo_canonical(jsonb)'::regprocedure;
SELECT 'pgtandem.mongo_id(jsonb)'::regprocedure;

ROLLBACK;
