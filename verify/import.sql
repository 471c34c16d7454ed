-- Verify pgtandem:import on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.import WHERE false;
SELECT * FROM pgtandem.import_bad WHERE false;
SELECT * FROM pgtandem.import_seen WHERE false;
SELECT 'pgtandem._check_staging(regclass)'::regprocedure;
SELECT 'pgtandem.begin_import(regclass, jsonb, boolean, boolean)'::regprocedure;
SELECT 'pgtandem.advance_import(
    bigint, bigint, integer, bigint, bigint, bigint, text, jsonb)'::regprocedure;
SELECT 'pgtandem._absent(bigint, text)'::regprocedure;
SELECT 'pgtandem.count_absent(bigint)'::regprocedure;
SELECT 'pgtandem.delete_absent(bigint, text, integer)'::regprocedure;
SELECT 'pgtandem.finish_import(bigint)'::regprocedure;

ROLLBACK;
