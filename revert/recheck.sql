-- Revert pgtandem:recheck from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.recheck') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP TRIGGER forget_recheck ON pgtandem.mapping;
DROP FUNCTION pgtandem._forget_recheck();
DROP FUNCTION pgtandem._sync_failed(text, jsonb, jsonb, text, text);
DROP FUNCTION pgtandem.record_failure(text, jsonb, text, text, text);
DROP FUNCTION pgtandem._cascades(regclass, text[], regclass, text[]);
DROP FUNCTION pgtandem.key_value(anyelement);
DROP FUNCTION pgtandem.queue(text, jsonb, text, text, text);
DROP TABLE pgtandem.sync_failure;
DROP TABLE pgtandem.recheck;

COMMIT;
