-- Verify pgtandem:comparison on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.comparison WHERE false;
SELECT * FROM pgtandem.comparison_area WHERE false;
SELECT * FROM pgtandem.difference WHERE false;
SELECT 'pgtandem.areas_of(text)'::regprocedure;
SELECT 'pgtandem.explain_difference(boolean, boolean, text[], jsonb, jsonb)'::regprocedure;
SELECT 'pgtandem.reads_of(regclass)'::regprocedure;
SELECT (
    'pgtandem.save_comparison(text, text, text, timestamptz, text, bigint, bigint, bigint, '
    'bigint, bigint)'
)::regprocedure;
SELECT 'pgtandem.key_cuts(text, integer)'::regprocedure;
SELECT 'pgtandem.require_unique_image(text)'::regprocedure;
SELECT 'pgtandem.sample_keys(text, integer)'::regprocedure;
SELECT 'pgtandem._compare(text)'::regprocedure;
SELECT 'pgtandem._compare_report(bigint)'::regprocedure;
SELECT 'pgtandem.compare(text)'::regprocedure;

ROLLBACK;
