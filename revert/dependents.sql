-- Revert pgtandem:dependents from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._dependents(regclass)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem._column_readers(text);
DROP FUNCTION pgtandem._column_dependents(text);
DROP FUNCTION pgtandem._leaving(text);
DROP FUNCTION pgtandem._cascades(regclass, regclass, text[]);
DROP FUNCTION pgtandem._dependents(regclass);

COMMIT;
