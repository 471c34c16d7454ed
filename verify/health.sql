-- Verify pgtandem:health on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._check_backup(timestamptz)'::regprocedure;
SELECT 'pgtandem._check_disk(numeric, numeric, bigint)'::regprocedure;
SELECT 'pgtandem._check_replication(jsonb)'::regprocedure;
SELECT 'pgtandem._check_transactions(interval)'::regprocedure;
SELECT 'pgtandem._check_settings(pgtandem.mapping, numeric)'::regprocedure;
SELECT 'pgtandem._check_blockers(text, text, interval)'::regprocedure;

ROLLBACK;
