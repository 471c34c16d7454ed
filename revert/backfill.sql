-- Revert pgtandem:backfill from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regtype('pgtandem.backfill_step') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.require_small_rest(text, bigint);
DROP PROCEDURE pgtandem.backfill(text, interval);
DROP FUNCTION pgtandem._backfill_end(text, pgtandem.backfill_step);
DROP FUNCTION pgtandem._backfill_step(text, pgtandem.backfill_step);
DROP FUNCTION pgtandem._sweep(text);
DROP FUNCTION pgtandem._backfill_close(text, pgtandem.backfill_step);
DROP FUNCTION pgtandem._older_transactions(text, text[]);
DROP FUNCTION pgtandem._backfill_start(text, interval);
DROP TYPE pgtandem.backfill_step;

COMMIT;
