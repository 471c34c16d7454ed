-- Revert pgtandem:activity from pg

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.slow_statements') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP VIEW pgtandem.slow_statements;
DROP FUNCTION pgtandem._statements(regclass[]);
DROP VIEW pgtandem.event_status;
DROP VIEW pgtandem.lock_waits;
DROP VIEW pgtandem.index_use;
DROP VIEW pgtandem.trigger_cost;
DROP VIEW pgtandem.table_activity;

COMMIT;
