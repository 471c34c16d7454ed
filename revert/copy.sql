-- Revert pgtandem:copy from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regtype('pgtandem.copied') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem._relist(pgtandem.chunk);
DROP FUNCTION pgtandem._copy_next(text, bigint, text);
DROP FUNCTION pgtandem._copy_chunk(pgtandem.chunk, text);
DROP FUNCTION pgtandem._copy_rows(pgtandem.chunk);
DROP FUNCTION pgtandem._cut(pgtandem.chunk, bigint);
DROP FUNCTION pgtandem._claim(text, bigint);
DROP TYPE pgtandem.copied;

COMMIT;
