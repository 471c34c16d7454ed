-- Revert pgtandem:undo_run from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regtype('pgtandem.undo_step') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP PROCEDURE pgtandem.undo(text, boolean);
DROP FUNCTION pgtandem._undo_end(text, boolean, bigint);
DROP FUNCTION pgtandem._undo_step(text, boolean, pgtandem.undo_step);
DROP FUNCTION pgtandem._undo_start(text);
DROP FUNCTION pgtandem._undo_batch(text, boolean, pgtandem.undo_step, boolean);
DROP FUNCTION pgtandem._undo_keys(text, pgtandem.undo_step);
DROP FUNCTION pgtandem.undo_preview(text, boolean);
DROP FUNCTION pgtandem.undo_rows(text, boolean);
DROP FUNCTION pgtandem._undo_check(text);
DROP TYPE pgtandem.undo_step;

COMMIT;
