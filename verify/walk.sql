-- Verify pgtandem:walk on pg
-- Raises where a piece is missing.

BEGIN;

SELECT mapping, purpose, relation, filenode, next_block, last_block, rows, hash, started_at,
       ended_at
FROM pgtandem.walk WHERE false;
SELECT 'pgtandem.begin_walk(text, text)'::regprocedure;
SELECT 'pgtandem.walk_is_begun(text, text)'::regprocedure;
SELECT 'pgtandem.require_walked(text, text)'::regprocedure;
SELECT 'pgtandem._walk_chunk(pgtandem.walk, bigint)'::regprocedure;
SELECT 'pgtandem._walk_step(text, text, bigint)'::regprocedure;
SELECT 'pgtandem._walk_start(text, text)'::regprocedure;
SELECT 'pgtandem._walk_end(text, text)'::regprocedure;
SELECT 'pgtandem.archive_noted(text, integer)'::regprocedure;
SELECT 'pgtandem.walk(text, text)'::regprocedure;

ROLLBACK;
