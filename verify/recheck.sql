-- Verify pgtandem:recheck on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.recheck WHERE false;
SELECT * FROM pgtandem.sync_failure WHERE false;
SELECT 'pgtandem.key_value(anyelement)'::regprocedure;
SELECT 'pgtandem.queue(text, jsonb, text, text, text)'::regprocedure;
SELECT 'pgtandem._cascades(regclass, text[], regclass, text[])'::regprocedure;
SELECT 'pgtandem.record_failure(text, jsonb, text, text, text)'::regprocedure;
SELECT 'pgtandem._sync_failed(text, jsonb, jsonb, text, text)'::regprocedure;
SELECT 'pgtandem._forget_recheck()'::regprocedure;
SELECT 1 / count(*) FROM pg_trigger
WHERE tgrelid = 'pgtandem.mapping'::regclass AND tgname = 'forget_recheck';

ROLLBACK;
