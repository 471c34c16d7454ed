-- Revert pgtandem:control from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP FUNCTION pgtandem.retry(text, text);
DROP FUNCTION pgtandem.resume(text, text);
DROP FUNCTION pgtandem.pause(text, text);

COMMIT;
