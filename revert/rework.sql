-- Revert pgtandem:rework from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP FUNCTION pgtandem.begin_rework(text, regclass[]);
DROP FUNCTION pgtandem._drop_rendered(regnamespace);

COMMIT;
