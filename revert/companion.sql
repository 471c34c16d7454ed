-- Revert pgtandem:companion from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.companion') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.companions(text);
DROP FUNCTION pgtandem._companions_of_table(text);
DROP FUNCTION pgtandem._companions_of_columns(text);
DROP TABLE pgtandem.companion;

COMMIT;
