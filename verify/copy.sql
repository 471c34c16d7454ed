-- Verify pgtandem:copy on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem.copied'::regtype;
SELECT 'pgtandem._claim(text, bigint)'::regprocedure;
SELECT 'pgtandem._cut(pgtandem.chunk, bigint)'::regprocedure;
SELECT 'pgtandem._copy_rows(pgtandem.chunk)'::regprocedure;
SELECT 'pgtandem._copy_chunk(pgtandem.chunk, text)'::regprocedure;
SELECT 'pgtandem._copy_next(text, bigint, text)'::regprocedure;
SELECT 'pgtandem._relist(pgtandem.chunk)'::regprocedure;

ROLLBACK;
