-- Verify pgtandem:activity on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.table_activity WHERE false;
SELECT * FROM pgtandem.trigger_cost WHERE false;
SELECT * FROM pgtandem.index_use WHERE false;
SELECT * FROM pgtandem.slow_statements WHERE false;
SELECT * FROM pgtandem.lock_waits WHERE false;
SELECT * FROM pgtandem.event_status WHERE false;
SELECT 'pgtandem._statements(regclass[])'::regprocedure;

ROLLBACK;
