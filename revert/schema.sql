-- Revert pgtandem:schema from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP SCHEMA pgtandem;

COMMIT;
