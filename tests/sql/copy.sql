-- Tests pgtandem:copy, on gear. Changes nothing; needs pgTAP in the search path. Workers side by
-- side and copies that wait: tests/isolation.

BEGIN;
\ir ../gear_rows.sql

SELECT plan(30);

-- Some blocks of the source.
SELECT pg_temp.old_items(1, 600);
CREATE FUNCTION pg_temp.blocks() RETURNS bigint LANGUAGE sql AS $$
    SELECT pg_relation_size('user_core.old_equipment') / current_setting('block_size')::bigint;
$$;
SELECT cmp_ok(pg_temp.blocks(), '>', 1::bigint, 'there are some blocks to copy');
SELECT pgtandem._list_new_leaves('gear');

-- _claim, _cut
CREATE TEMPORARY TABLE claimed AS SELECT (pgtandem._claim('gear', 1)).*;
SELECT results_eq(
    $$ SELECT first_block, last_block FROM claimed $$, $$ VALUES (0::bigint, 1::bigint) $$,
    'a chunk is cut to the blocks that are asked for'
);
SELECT results_eq(
    $$ SELECT relation, filenode, first_block, last_block, done_at FROM pgtandem.chunk
       WHERE mapping = 'gear' ORDER BY first_block $$,
    $$ SELECT relation, filenode, f, l, NULL::timestamptz FROM claimed,
              (VALUES (0::bigint, 1::bigint), (1, pg_temp.blocks())) AS v (f, l) $$,
    'the rest is a chunk of its own'
);
SELECT is(
    (pgtandem._claim('gear', 1000)).id, (SELECT id FROM claimed), 'the first to be done comes first'
);
UPDATE pgtandem.chunk SET done_at = now() WHERE id = (SELECT id FROM claimed);
SELECT is((pgtandem._claim('gear', 1000)).first_block, 1::bigint, 'then the next');
UPDATE pgtandem.chunk SET done_at = now() WHERE mapping = 'gear';
SELECT is((pgtandem._claim('gear', 1000)).id, NULL, 'then none');

-- _copy_chunk
SELECT results_eq(
    $$ SELECT c.outcome, c.rows > 0, c.strategy
       FROM claimed, pgtandem._copy_chunk(
                (SELECT k FROM pgtandem.chunk AS k WHERE k.id = claimed.id), 'insert') AS c $$,
    $$ VALUES ('done', true, 'insert') $$,
    'a chunk is copied by a plain INSERT'
);
SELECT results_eq(
    $$ SELECT c.outcome, c.rows, c.strategy
       FROM claimed, pgtandem._copy_chunk(
                (SELECT k FROM pgtandem.chunk AS k WHERE k.id = claimed.id), 'insert') AS c $$,
    $$ VALUES ('done', 0::bigint, 'skip') $$,
    'where rows are there, it steps down to skipping them'
);
SELECT results_eq(
    $$ SELECT c.outcome, c.rows, c.strategy
       FROM claimed, pgtandem._copy_chunk(
                (SELECT k FROM pgtandem.chunk AS k WHERE k.id = claimed.id), 'overwrite') AS c $$,
    $$ VALUES ('done', 0::bigint, 'overwrite') $$,
    'overwriting writes nothing that is right'
);
SELECT pg_temp.unseen(true);
UPDATE gear_ops.gear_items SET brand = 'old';
SELECT pg_temp.unseen(false);
SELECT ok(
    (SELECT c.rows = (SELECT count(*) FROM gear_ops.gear_items)
     FROM claimed, pgtandem._copy_chunk(
              (SELECT k FROM pgtandem.chunk AS k WHERE k.id = claimed.id), 'overwrite') AS c),
    'and writes what is not'
);
SELECT is_empty(
    $$ SELECT FROM gear_ops.gear_items WHERE brand IS NOT NULL $$, 'so that it is right'
);
SELECT is(current_setting('pgtandem_gear.depth'), '', 'the mark is as it was');
SELECT is_empty($$ SELECT FROM pgtandem.recheck $$, 'no trigger took the copy for a write');

-- _copy_next
DELETE FROM pgtandem.chunk WHERE mapping = 'gear';
SELECT pg_temp.unseen(true);
DELETE FROM gear_ops.gear_items;
SELECT pg_temp.unseen(false);
SELECT pgtandem._list_new_leaves('gear');
SELECT results_eq(
    $$ SELECT outcome, blocks, rows > 0, seconds > 0, strategy, waiters
       FROM pgtandem._copy_next('gear', 1, 'insert') $$,
    $$ VALUES ('done', 1::bigint, true, true, 'insert', 0) $$,
    'the next chunk is copied'
);
SELECT is(
    (SELECT rows FROM pgtandem.chunk WHERE done_at IS NOT NULL),
    (SELECT count(*) FROM gear_ops.gear_items), 'its rows are there'
);
SELECT results_eq(
    $$ SELECT set_aside, strategy, worker FROM pgtandem.chunk WHERE done_at IS NOT NULL $$,
    $$ VALUES (0, 'insert', pg_backend_pid()) $$,
    'and it is noted as done, by whom and how'
);
SELECT is(current_setting('lock_timeout'), '100ms', 'a copy gives way before anybody else does');

-- A row that the target refuses: halves, then single rows.
ALTER TABLE gear_ops.gear_items ADD CONSTRAINT no_rope_200 CHECK (name <> 'Rope 200');
SELECT is(
    (SELECT outcome FROM pgtandem._copy_next('gear', 1000, 'insert')), 'halved',
    'a chunk that fails is halved'
);
CREATE TEMPORARY TABLE outcomes (outcome text, rows bigint, strategy text);
DO $$
DECLARE
    v_copied pgtandem.copied;
BEGIN
    LOOP
        v_copied := pgtandem._copy_next('gear', 1000, 'insert');
        INSERT INTO outcomes VALUES (v_copied.outcome, v_copied.rows, v_copied.strategy);
        EXIT WHEN v_copied.outcome IN ('none', 'busy');
    END LOOP;
END;
$$;
SELECT is(
    (SELECT string_agg(DISTINCT outcome, ', ' ORDER BY outcome) FROM outcomes),
    'done, halved, none',
    'until all chunks are done'
);
SELECT is(
    (SELECT count(*) FROM outcomes WHERE strategy = 'rows'), 1::bigint,
    'the block with the bad row went row by row'
);
SELECT is((SELECT sum(set_aside) FROM pgtandem.chunk), 1::bigint, 'the bad row was set aside');
SELECT is((SELECT sum(rows) FROM pgtandem.chunk), 599::numeric, 'and no other');
SELECT is(
    (SELECT sum(last_block - first_block) FROM pgtandem.chunk), pg_temp.blocks()::numeric,
    'no block was done twice or left out'
);
SELECT results_eq(
    $$ SELECT key, reason, sqlstate, message LIKE '%no_rope_200%' FROM pgtandem.recheck $$,
    $$ VALUES (pg_temp.item_key(200), 'copy', '23514', true) $$,
    'its key is queued with the error'
);
SELECT is(
    (SELECT reason FROM pgtandem.sync_failure WHERE key = pg_temp.item_key(200)), 'copy',
    'which is recorded'
);

-- _copy_rows
SELECT results_eq(
    $$ SELECT r.rows, r.set_aside
       FROM (SELECT k FROM pgtandem.chunk AS k ORDER BY last_block DESC LIMIT 1) AS last,
            pgtandem._copy_rows(last.k) AS r $$,
    $$ SELECT rows, set_aside FROM pgtandem.chunk ORDER BY last_block DESC LIMIT 1 $$,
    'row by row, a second time'
);

-- _relist
UPDATE pgtandem.chunk SET filenode = 1, done_at = NULL WHERE mapping = 'gear';
SELECT is(
    (SELECT outcome FROM pgtandem._copy_next('gear', 1000, 'skip')), 'relisted',
    'a table whose file has changed is listed anew'
);
SELECT results_eq(
    $$ SELECT DISTINCT filenode, done_at FROM pgtandem.chunk $$,
    $$ VALUES (pg_relation_filenode('user_core.old_equipment')::oid, NULL::timestamptz) $$,
    'from its first block'
);
SELECT is(
    (SELECT detail ->> 'relation' FROM pgtandem.event WHERE kind = 'relist'),
    'user_core.old_equipment', 'which is logged'
);
SELECT pgtandem._relist((SELECT k FROM pgtandem.chunk AS k LIMIT 1));
SELECT is((SELECT count(*) FROM pgtandem.event WHERE kind = 'relist'), 1::bigint, 'and only once');

SELECT * FROM finish();

ROLLBACK;
