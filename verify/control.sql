-- Verify pgtandem:control on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem.pause(text, text)'::regprocedure;
SELECT 'pgtandem.resume(text, text)'::regprocedure;
SELECT 'pgtandem.retry(text, text)'::regprocedure;

ROLLBACK;
