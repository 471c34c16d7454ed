-- Revert pgtandem:drain from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._mark(text)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP PROCEDURE pgtandem.drain(text, text);
DROP FUNCTION pgtandem._drain_report(text, bigint);
DROP FUNCTION pgtandem._drain_check(text);
DROP FUNCTION pgtandem._is_due(text, bigint);
DROP FUNCTION pgtandem._last_queued(text);
DROP FUNCTION pgtandem._drain_batch(text, text, bigint);
DROP FUNCTION pgtandem._drain_keys(text, text, bigint, boolean);
DROP FUNCTION pgtandem._due(text, text, bigint, boolean);
DROP FUNCTION pgtandem._resolve_touches(text, bigint);
DROP FUNCTION pgtandem._settle(text, jsonb);
DROP FUNCTION pgtandem._settled_at_once(text, jsonb);
DROP FUNCTION pgtandem._require_room(text);
DROP FUNCTION pgtandem._record(text, text);
DROP FUNCTION pgtandem._mark(text);

COMMIT;
