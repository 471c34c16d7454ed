-- Revert pgtandem:worker from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.worker') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP VIEW pgtandem.worker_status;
DROP FUNCTION pgtandem._wait_kind(text);
DROP FUNCTION pgtandem._worker_end();
DROP FUNCTION pgtandem._worker_waits(text);
DROP FUNCTION pgtandem._worker_start(text);
DROP FUNCTION pgtandem._backend_start();
DROP TABLE pgtandem.worker;

COMMIT;
