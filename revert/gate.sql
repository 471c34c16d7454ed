-- Revert pgtandem:gate from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP FUNCTION pgtandem.gate(text, jsonb);
DROP FUNCTION pgtandem._figures(text, bigint);
DROP FUNCTION pgtandem.take_sample(text);
DROP TABLE pgtandem.sample;

COMMIT;
