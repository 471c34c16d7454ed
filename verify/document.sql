-- Verify pgtandem:document on pg

BEGIN;

SELECT 'pgtandem.json_of(timestamptz)'::regprocedure;
SELECT 'pgtandem.same_time(jsonb, jsonb)'::regprocedure;
SELECT 'pgtandem.array_of(jsonb)'::regprocedure;
SELECT 'pgtandem._no_object(jsonb, text[])'::regprocedure;
SELECT 'pgtandem.as_object(jsonb, text[])'::regprocedure;

ROLLBACK;
