-- Verify pgtandem:undo_run on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem.undo_step'::regtype;
SELECT 'pgtandem._undo_check(text)'::regprocedure;
SELECT 'pgtandem.undo_rows(text, boolean)'::regprocedure;
SELECT 'pgtandem.undo_preview(text, boolean)'::regprocedure;
SELECT 'pgtandem._undo_keys(text, pgtandem.undo_step)'::regprocedure;
SELECT 'pgtandem._undo_batch(text, boolean, pgtandem.undo_step, boolean)'::regprocedure;
SELECT 'pgtandem._undo_start(text)'::regprocedure;
SELECT 'pgtandem._undo_step(text, boolean, pgtandem.undo_step)'::regprocedure;
SELECT 'pgtandem._undo_end(text, boolean, bigint)'::regprocedure;
SELECT 'pgtandem.undo(text, boolean)'::regprocedure;

ROLLBACK;
