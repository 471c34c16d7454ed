-- Verify pgtandem:chunk on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.chunk WHERE false;
SELECT 'pgtandem._leaves(regclass)'::regprocedure;
SELECT 'pgtandem._relations(regclass)'::regprocedure;
SELECT 'pgtandem._list_chunks(text, regclass)'::regprocedure;
SELECT 'pgtandem._list_new_leaves(text)'::regprocedure;
SELECT 'pgtandem._changed_leaves(text)'::regprocedure;
SELECT 'pgtandem._switch_moved(text, boolean)'::regprocedure;
SELECT 'pgtandem._watch_truncate(text)'::regprocedure;
SELECT 'pgtandem._reopen_copy(text)'::regprocedure;
SELECT 'pgtandem.open_copy(text)'::regprocedure;
SELECT 'pgtandem.close_sync(text)'::regprocedure;

ROLLBACK;
