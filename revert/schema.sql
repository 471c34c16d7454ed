-- Revert pgtandem:schema from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regnamespace('pgtandem') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP SCHEMA pgtandem;

COMMIT;
