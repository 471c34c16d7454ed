-- Revert pgtandem:health from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._check_blockers(text, text, interval)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem._check_blockers(text, text, interval);
DROP FUNCTION pgtandem._check_settings(pgtandem.mapping, numeric);
DROP FUNCTION pgtandem._check_transactions(interval);
DROP FUNCTION pgtandem._check_replication(jsonb);
DROP FUNCTION pgtandem._check_disk(numeric, numeric, bigint);
DROP FUNCTION pgtandem._check_backup(timestamptz);

COMMIT;
