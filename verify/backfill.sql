-- Verify pgtandem:backfill on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem.backfill_step'::regtype;
SELECT 'pgtandem._backfill_start(text, interval)'::regprocedure;
SELECT 'pgtandem._older_transactions(text, text[])'::regprocedure;
SELECT 'pgtandem._backfill_close(text, pgtandem.backfill_step)'::regprocedure;
SELECT 'pgtandem._sweep(text)'::regprocedure;
SELECT 'pgtandem._backfill_step(text, pgtandem.backfill_step)'::regprocedure;
SELECT 'pgtandem._backfill_end(text, pgtandem.backfill_step)'::regprocedure;
SELECT 'pgtandem.backfill(text, interval)'::regprocedure;
SELECT 'pgtandem.require_small_rest(text, bigint)'::regprocedure;

ROLLBACK;
