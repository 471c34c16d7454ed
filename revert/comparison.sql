-- Revert pgtandem:comparison from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.comparison') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP PROCEDURE pgtandem.compare(text);
DROP FUNCTION pgtandem._compare_report(bigint);
DROP FUNCTION pgtandem._compare(text);
DROP FUNCTION pgtandem.sample_keys(text, integer);
DROP FUNCTION pgtandem.require_unique_image(text);
DROP FUNCTION pgtandem.key_cuts(text, integer);
DROP FUNCTION pgtandem.save_comparison(text, text, text, timestamptz, text, bigint, bigint, bigint,
    bigint, bigint);
DROP FUNCTION pgtandem.reads_of(regclass);
DROP FUNCTION pgtandem.explain_difference(boolean, boolean, text[], jsonb, jsonb);
DROP FUNCTION pgtandem.areas_of(text);
DROP TABLE pgtandem.difference;
DROP TABLE pgtandem.comparison_area;
DROP TABLE pgtandem.comparison;

COMMIT;
