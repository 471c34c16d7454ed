-- Revert pgtandem:progress from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP VIEW pgtandem.status;
DROP VIEW pgtandem.failures;
DROP VIEW pgtandem.progress;

COMMIT;
