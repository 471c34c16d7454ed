-- Revert pgtandem:throttle from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._setting(jsonb, text, text, text)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem._throttle(pgtandem.mapping, double precision, numeric);
DROP VIEW pgtandem.wal_status;
DROP FUNCTION pgtandem._is_large(regclass);
DROP FUNCTION pgtandem._setting(jsonb, text, text, text);

COMMIT;
