-- Verify pgtandem:worker on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.worker WHERE false;
SELECT 'pgtandem._backend_start()'::regprocedure;
SELECT 'pgtandem._worker_start(text)'::regprocedure;
SELECT 'pgtandem._worker_waits(text)'::regprocedure;
SELECT 'pgtandem._worker_end()'::regprocedure;
SELECT 'pgtandem._wait_kind(text)'::regprocedure;
SELECT * FROM pgtandem.worker_status WHERE false;

ROLLBACK;
