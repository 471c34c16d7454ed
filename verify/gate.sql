-- Verify pgtandem:gate on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.sample WHERE false;
SELECT 'pgtandem.take_sample(text)'::regprocedure;
SELECT 'pgtandem._figures(text, bigint)'::regprocedure;
SELECT 'pgtandem._sequences(regclass)'::regprocedure;
SELECT 'pgtandem._colliding(text)'::regprocedure;
SELECT 'pgtandem.gate(text, jsonb)'::regprocedure;

ROLLBACK;
