-- Revert pgtandem:copy from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

BEGIN;

DROP FUNCTION pgtandem._relist(pgtandem.chunk);
DROP FUNCTION pgtandem._copy_next(text, bigint, text);
DROP FUNCTION pgtandem._copy_chunk(pgtandem.chunk, text);
DROP FUNCTION pgtandem._copy_rows(pgtandem.chunk);
DROP FUNCTION pgtandem._cut(pgtandem.chunk, bigint);
DROP FUNCTION pgtandem._claim(text, bigint);
DROP TYPE pgtandem.copied;

COMMIT;
