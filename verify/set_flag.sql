-- Verify pgtandem:set_flag on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._lock_flag(text)'::regprocedure;
SELECT 'pgtandem._note_flag(text, text, text, text, text, text)'::regprocedure;
SELECT 'pgtandem.set_flag(text, text, text)'::regprocedure;
SELECT 'pgtandem.set_flag(text, numeric, text)'::regprocedure;
SELECT 'pgtandem.next_stage(text, text)'::regprocedure;
SELECT 'pgtandem.previous_stage(text, text)'::regprocedure;
SELECT 'pgtandem.set_stages(text, integer[], text)'::regprocedure;
SELECT 'pgtandem.set_flag_users(text, text, text[], text)'::regprocedure;

ROLLBACK;
