-- Verify pgtandem:dependents on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._dependents(regclass)'::regprocedure;
SELECT 'pgtandem._cascades(regclass, regclass, text[])'::regprocedure;
SELECT 'pgtandem._leaving(text)'::regprocedure;
SELECT 'pgtandem._column_dependents(text)'::regprocedure;
SELECT 'pgtandem._column_readers(text)'::regprocedure;

ROLLBACK;
