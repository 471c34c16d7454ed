-- Verify pgtandem:progress on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.queue_status WHERE false;
SELECT * FROM pgtandem.failure_status WHERE false;
SELECT * FROM pgtandem.comparison_status WHERE false;
SELECT * FROM pgtandem.progress WHERE false;
SELECT * FROM pgtandem.failures WHERE false;
SELECT * FROM pgtandem.status WHERE false;

ROLLBACK;
