-- Verify pgtandem:throttle on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._setting(jsonb, text, text, text)'::regprocedure;
SELECT 'pgtandem._throttle(pgtandem.mapping, double precision, numeric)'::regprocedure;
SELECT 'pgtandem._is_large(regclass)'::regprocedure;
SELECT * FROM pgtandem.wal_status WHERE false;

ROLLBACK;
