-- Verify pgtandem:schema on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem'::regnamespace;

ROLLBACK;
