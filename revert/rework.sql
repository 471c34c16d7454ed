-- Revert pgtandem:rework from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._drop_rendered(regnamespace)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.begin_rework(text, regclass[]);
DROP FUNCTION pgtandem._drop_rendered(regnamespace);

COMMIT;
