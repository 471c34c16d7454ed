-- Revert pgtandem:progress from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.progress') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP VIEW pgtandem.status;
DROP VIEW pgtandem.failures;
DROP VIEW pgtandem.progress;
DROP VIEW pgtandem.comparison_status;
DROP VIEW pgtandem.failure_status;
DROP VIEW pgtandem.queue_status;

COMMIT;
