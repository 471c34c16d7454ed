-- Verify pgtandem:trial on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._image_rows(text, text)'::regprocedure;
SELECT 'pgtandem._fit_columns(text)'::regprocedure;
SELECT 'pgtandem._fit_insert(text, text, name, bigint)'::regprocedure;
SELECT 'pgtandem._fit_error(text, regclass, tid[])'::regprocedure;
SELECT 'pgtandem._fit_failures(text, regclass, tid[], integer, timestamptz)'::regprocedure;
SELECT 'pgtandem._fit_tables(text)'::regprocedure;

ROLLBACK;
