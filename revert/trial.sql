-- Revert pgtandem:trial from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._fit_tables(text)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem._fit_tables(text);
DROP FUNCTION pgtandem._fit_failures(text, regclass, tid[], integer, timestamptz);
DROP FUNCTION pgtandem._fit_error(text, regclass, tid[]);
DROP FUNCTION pgtandem._fit_insert(text, text, name, bigint);
DROP FUNCTION pgtandem._fit_columns(text);
DROP FUNCTION pgtandem._image_rows(text, text);

COMMIT;
