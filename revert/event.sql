-- Revert pgtandem:event from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP FUNCTION pgtandem.log_event(text, text, jsonb, text);
DROP TABLE pgtandem.event;

COMMIT;
