-- Verify pgtandem:companion on pg
-- Raises where a piece is missing.

BEGIN;

SELECT id, mapping, relation, column_name, step, what, name, lock_mode, lock_also, statement
FROM pgtandem.companion WHERE false;
SELECT 'pgtandem._companions_of_columns(text)'::regprocedure;
SELECT 'pgtandem._companions_of_table(text)'::regprocedure;
SELECT 'pgtandem.companions(text)'::regprocedure;

ROLLBACK;
