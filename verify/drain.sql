-- Verify pgtandem:drain on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._mark(text)'::regprocedure;
SELECT 'pgtandem._record(text, text)'::regprocedure;
SELECT 'pgtandem._require_room(text)'::regprocedure;
SELECT 'pgtandem._settled_at_once(text, jsonb)'::regprocedure;
SELECT 'pgtandem._settle(text, jsonb)'::regprocedure;
SELECT 'pgtandem._resolve_touches(text, bigint)'::regprocedure;
SELECT 'pgtandem._due(text, text, bigint, boolean)'::regprocedure;
SELECT 'pgtandem._drain_batch(text, text, bigint)'::regprocedure;
SELECT 'pgtandem._drain_keys(text, text, bigint, boolean)'::regprocedure;
SELECT 'pgtandem._last_queued(text)'::regprocedure;
SELECT 'pgtandem._is_due(text, bigint)'::regprocedure;
SELECT 'pgtandem._drain_check(text)'::regprocedure;
SELECT 'pgtandem._drain_report(text, bigint)'::regprocedure;
SELECT 'pgtandem.drain(text, text)'::regprocedure;

ROLLBACK;
