-- Revert pgtandem:lock_tables from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP FUNCTION pgtandem.lock_tables(regclass[], text, integer);
DROP FUNCTION pgtandem._blockers(regclass[]);

COMMIT;
