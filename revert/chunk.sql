-- Revert pgtandem:chunk from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.chunk') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.close_sync(text);
DROP FUNCTION pgtandem.open_copy(text);
DROP FUNCTION pgtandem._reopen_copy(text);
DROP FUNCTION pgtandem._watch_truncate(text);
DROP FUNCTION pgtandem._switch_moved(text, boolean);
DROP FUNCTION pgtandem._changed_leaves(text);
DROP FUNCTION pgtandem._list_new_leaves(text);
DROP FUNCTION pgtandem._list_chunks(text, regclass);
DROP FUNCTION pgtandem._relations(regclass);
DROP FUNCTION pgtandem._leaves(regclass);
DROP TABLE pgtandem.chunk;

COMMIT;
