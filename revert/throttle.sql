-- Revert pgtandem:throttle from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP FUNCTION pgtandem._throttle(pgtandem.mapping, double precision, numeric);
DROP FUNCTION pgtandem._setting(jsonb, text, text, text);

COMMIT;
