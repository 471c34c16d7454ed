-- Verify pgtandem:rework on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._drop_rendered(regnamespace)'::regprocedure;
SELECT 'pgtandem.begin_rework(text, regclass[])'::regprocedure;

ROLLBACK;
