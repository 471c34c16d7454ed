-- Revert pgtandem:walk from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.walk') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP PROCEDURE pgtandem.walk(text, text);
DROP FUNCTION pgtandem.archive_noted(text, integer);
DROP FUNCTION pgtandem._walk_end(text, text);
DROP FUNCTION pgtandem._walk_start(text, text);
DROP FUNCTION pgtandem._walk_step(text, text, bigint);
DROP FUNCTION pgtandem._walk_chunk(pgtandem.walk, bigint);
DROP FUNCTION pgtandem.require_walked(text, text);
DROP FUNCTION pgtandem.walk_is_begun(text, text);
DROP FUNCTION pgtandem.begin_walk(text, text);
DROP TABLE pgtandem.walk;

COMMIT;
