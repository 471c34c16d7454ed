-- Verify pgtandem:preflight on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._next_phase(pgtandem.mapping)'::regprocedure;
SELECT 'pgtandem._check_privileges(pgtandem.mapping)'::regprocedure;
SELECT 'pgtandem._raised(text)'::regprocedure;
SELECT 'pgtandem._check_tables(pgtandem.mapping)'::regprocedure;
SELECT 'pgtandem._check_values(pgtandem.mapping, bigint, integer)'::regprocedure;
SELECT 'pgtandem.preflight(text, timestamptz, bigint, integer, interval)'::regprocedure;

ROLLBACK;
