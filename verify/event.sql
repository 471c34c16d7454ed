-- Verify pgtandem:event on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.event WHERE false;
SELECT 'pgtandem.log_event(text, text, jsonb, text)'::regprocedure;

ROLLBACK;
