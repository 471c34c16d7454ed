-- Verify pgtandem:lock_tables on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._blockers(regclass[], text)'::regprocedure;
SELECT 'pgtandem.lock_tables(regclass[], text, integer)'::regprocedure;

ROLLBACK;
