-- Verify pgtandem:columns on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem.contract_report(text)'::regprocedure;
SELECT 'pgtandem.contract_tables(text)'::regprocedure;
SELECT 'pgtandem.require_key(regclass, text[])'::regprocedure;
SELECT 'pgtandem.abandon_archive(text)'::regprocedure;
SELECT 'pgtandem._keep_sequences(text)'::regprocedure;
SELECT 'pgtandem.require_finished(text)'::regprocedure;
SELECT 'pgtandem.save_companions(text)'::regprocedure;
SELECT 'pgtandem.add_columns(text)'::regprocedure;
SELECT 'pgtandem.name_columns(text)'::regprocedure;
SELECT 'pgtandem.require_values(text, text[])'::regprocedure;
SELECT 'pgtandem.require_gone(text)'::regprocedure;
SELECT 'pgtandem.rebuild(text)'::regprocedure;
SELECT 'pgtandem.rebuild_one(bigint)'::regprocedure;

ROLLBACK;
