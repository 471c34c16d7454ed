-- Revert pgtandem:fit from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.fit(text, integer)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.fit(text, integer);
DROP FUNCTION pgtandem._fit_key(text, regclass, tid);
DROP FUNCTION pgtandem._fit_rows(text, integer);
DROP FUNCTION pgtandem._fit_total(text);
DROP FUNCTION pgtandem._fit_orphans(text);

COMMIT;
