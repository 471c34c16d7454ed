-- Revert pgtandem:import from pg
-- What was imported stays; the bad documents that were set aside go.

BEGIN;

DROP FUNCTION IF EXISTS pgtandem.finish_import(bigint);
DROP FUNCTION IF EXISTS pgtandem.delete_absent(bigint, text, integer);
DROP FUNCTION IF EXISTS pgtandem.count_absent(bigint);
DROP FUNCTION IF EXISTS pgtandem._absent(bigint, text);
DROP FUNCTION IF EXISTS pgtandem.advance_import(
    bigint, bigint, integer, bigint, bigint, bigint, text, jsonb);
DROP FUNCTION IF EXISTS pgtandem.begin_import(regclass, jsonb, boolean, boolean);
DROP FUNCTION IF EXISTS pgtandem._check_staging(regclass);
DROP TABLE IF EXISTS pgtandem.import_seen;
DROP TABLE IF EXISTS pgtandem.import_bad;
DROP TABLE IF EXISTS pgtandem.import;

COMMIT;
