-- Revert pgtandem:worker from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP FUNCTION pgtandem._worker_end();
DROP FUNCTION pgtandem._worker_waits(text);
DROP FUNCTION pgtandem._worker_start(text);
DROP FUNCTION pgtandem._backend_start();
DROP TABLE pgtandem.worker;

COMMIT;
