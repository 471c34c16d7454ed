-- Revert pgtandem:measure from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.measure(text, integer, integer)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.measure(text, integer, integer);
DROP FUNCTION pgtandem._measure_undo(text, bigint, bigint);
DROP FUNCTION pgtandem._measure_fill(text, regclass, tid, tid);
DROP FUNCTION pgtandem._measure_tables(text);
DROP FUNCTION pgtandem._measure_ranges(text, integer, integer);
DROP FUNCTION pgtandem.sample_target(text, integer);
DROP FUNCTION pgtandem.sample_images(text, integer);
DROP FUNCTION pgtandem._count_rows(regclass, integer);

COMMIT;
