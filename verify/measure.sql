-- Verify pgtandem:measure on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._count_rows(regclass, integer)'::regprocedure;
SELECT 'pgtandem.sample_images(text, integer)'::regprocedure;
SELECT 'pgtandem.sample_target(text, integer)'::regprocedure;
SELECT 'pgtandem._measure_ranges(text, integer, integer)'::regprocedure;
SELECT 'pgtandem._measure_tables(text)'::regprocedure;
SELECT 'pgtandem._measure_fill(text, regclass, tid, tid)'::regprocedure;
SELECT 'pgtandem._measure_undo(text, bigint, bigint)'::regprocedure;
SELECT 'pgtandem.measure(text, integer, integer)'::regprocedure;

ROLLBACK;
