-- Revert pgtandem:preflight from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._check_values(pgtandem.mapping, bigint, integer)') IS NULL
    AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.preflight(text, timestamptz, bigint, integer, interval);
DROP FUNCTION pgtandem._check_values(pgtandem.mapping, bigint, integer);
DROP FUNCTION pgtandem._check_tables(pgtandem.mapping);
DROP FUNCTION pgtandem._raised(text);
DROP FUNCTION pgtandem._check_privileges(pgtandem.mapping);
DROP FUNCTION pgtandem._next_phase(pgtandem.mapping);

COMMIT;
