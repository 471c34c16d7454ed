-- Verify pgtandem:gate on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.sample WHERE false;
SELECT 'pgtandem.take_sample(text)'::regprocedure;
SELECT 'pgtandem._writes_of(regclass)'::regprocedure;
SELECT 'pgtandem._verdict(numeric, jsonb, boolean)'::regprocedure;
SELECT 'pgtandem._threshold(jsonb)'::regprocedure;
SELECT * FROM pgtandem.gate_status WHERE false;
SELECT * FROM pgtandem.write_status WHERE false;
SELECT 'pgtandem._sequences(regclass)'::regprocedure;
SELECT 'pgtandem._colliding(text)'::regprocedure;
SELECT 'pgtandem.gate(text, jsonb)'::regprocedure;

ROLLBACK;
