-- Revert pgtandem:lock_tables from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._blockers(regclass[], text)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.lock_tables(regclass[], text, integer);
DROP FUNCTION pgtandem._blockers(regclass[], text);

COMMIT;
