-- Tests pgtandem:backfill, on gear. Changes nothing; needs pgTAP in the search path. The procedure
-- itself commits: tests/test_routines.py; beside writers: tests/isolation; killed: tests/chaos.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(33);

SELECT pg_temp.old_items(1, 200);

-- _backfill_start
SELECT throws_ok(
    $$ SELECT pgtandem._backfill_start('none', NULL) $$, 'TD001', NULL,
    'TD001: the mapping is unknown'
);
UPDATE pgtandem.mapping SET copy_state = 'none', phase = 'expand' WHERE name = 'gear';
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem._backfill_start('gear', NULL) $$),
    ARRAY['TD007', 'mapping "gear" is in phase expand: there is nothing to backfill', '',
          'Deploy its triggers first: sqitch deploy --to gear_sync.'],
    'TD007: there are no triggers yet'
);
UPDATE pgtandem.mapping SET copy_state = 'complete', phase = 'contract' WHERE name = 'gear';
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem._backfill_start('gear', NULL) $$))[1], 'TD007',
    'TD007: or no more'
);
UPDATE pgtandem.mapping SET copy_state = 'open', phase = 'sync' WHERE name = 'gear';
CREATE TEMPORARY TABLE step AS SELECT (pgtandem._backfill_start('gear', '1 hour')).*;
SELECT results_eq(
    $$ SELECT stage, blocks, strategy, deadline - clock_timestamp() BETWEEN '59 min' AND '1 h', wait
       FROM step $$,
    $$ VALUES ('copy', 64::bigint, 'insert', true, 0::double precision) $$,
    'it begins by copying, 64 blocks at a time'
);
SELECT is(
    (SELECT mapping FROM pgtandem.worker WHERE pid = pg_backend_pid()), 'gear', 'as a worker'
);
SELECT isnt_empty($$ SELECT FROM pgtandem.chunk WHERE mapping = 'gear' $$, 'and lists the chunks');

-- _backfill_step, from the first to the last
CREATE FUNCTION pg_temp.go() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_step   pgtandem.backfill_step;
    v_stages text[] := '{}';
BEGIN
    SELECT * INTO v_step FROM step;
    FOR v_count IN 1..5000 LOOP
        v_step := pgtandem._backfill_step('gear', v_step);
        IF v_stages[cardinality(v_stages)] IS DISTINCT FROM v_step.stage THEN
            v_stages := v_stages || v_step.stage;
        END IF;
        EXIT WHEN v_step.stage IN ('done', 'stopped', 'stuck', 'extra');
        PERFORM pg_sleep(v_step.wait);
    END LOOP;
    RETURN array_to_string(v_stages, ' ');
END;
$$;
-- A row that was queued by a trigger, and one that a trigger has brought already.
SELECT pgtandem.queue('gear', pg_temp.item_key(7), 'gone');
UPDATE user_core.old_equipment SET brand = 'Acme' WHERE id = pg_temp.item(8);
SELECT is(pg_temp.go(), 'copy wait resolve drain close done', 'copy, wait, resolve, drain, close, done');
SELECT is(
    (SELECT count(*) FROM pgtandem_gear.compared() AS c
     WHERE c.in_source AND c.in_target AND NOT c.changed), 200::bigint, 'every row is copied'
);
SELECT is_empty($$ SELECT FROM pgtandem.recheck $$, 'the queue is empty');
SELECT results_eq(
    $$ SELECT copy_state, copy_changed > now() FROM pgtandem.mapping WHERE name = 'gear' $$,
    $$ VALUES ('complete', true) $$,
    'the copy is complete'
);
SELECT results_eq(
    $$ SELECT detail ->> 'rows', detail ->> 'set_aside' FROM pgtandem.event
       WHERE kind = 'copy' AND detail ->> 'state' = 'complete' $$,
    $$ VALUES ('199', '0') $$,
    'which is logged with its figures'
);
SELECT is((pgtandem._backfill_start('gear', NULL)).stage, 'done', 'a second backfill has no work');
SELECT is(pgtandem.require_small_rest('gear')::text, '', 'nor has a deploy');

-- Rows that cannot be copied.
SELECT pgtandem.open_copy('gear');
SELECT is(
    (pgtandem._backfill_start('gear', NULL)).strategy, 'overwrite', 'a second copy overwrites'
);
UPDATE step SET strategy = 'overwrite';
ALTER TABLE gear_ops.gear_items ADD CONSTRAINT no_tent CHECK (category <> 'tent');
SELECT pg_temp.unseen(true);
UPDATE user_core.old_equipment SET type = 'tent' WHERE id = pg_temp.item(9);
SELECT pg_temp.unseen(false);
SELECT is(
    pg_temp.go(), 'copy wait resolve drain stuck', 'a row that fails five times does not let it close'
);
SELECT is((SELECT copy_state FROM pgtandem.mapping WHERE name = 'gear'), 'open', 'it stays open');
-- _backfill_end
SELECT matches(
    array_to_string(pg_temp.error_of(
        $$ SELECT pgtandem._backfill_end('gear', (SELECT jsonb_populate_record(
               NULL::pgtandem.backfill_step, '{"stage": "stuck"}'))) $$), '|'),
    '^TD008\|1 rows of mapping "gear" cannot be copied\|For example .*000000000009"\]: '
    '.*no_tent.* \(23514\)\. All other rows are copied\.\|See pgtandem\.failures;',
    'TD008: it ends with an error that names one'
);
SELECT lives_ok(
    format($$ SELECT pgtandem._backfill_end('gear', (SELECT jsonb_populate_record(
                  NULL::pgtandem.backfill_step, '{"stage": "%s"}'))) $$, good.stage),
    format('%s is no error', good.stage)
)
FROM (VALUES ('done'), ('stopped')) AS good (stage);

-- Rows that only the target has.
UPDATE pgtandem.mapping SET phase = 'sync' WHERE name = 'gear';
SELECT pgtandem.open_copy('gear');
SELECT pgtandem._list_new_leaves('gear');
SELECT is(
    (SELECT sweep FROM pgtandem.mapping WHERE name = 'gear'), 'remove',
    'with the sync at work all the time, such a row has left the filter'
);
ALTER TABLE gear_ops.gear_items DROP CONSTRAINT no_tent;
SELECT pgtandem.retry('gear');
SELECT pg_temp.unseen(true);
DELETE FROM user_core.old_equipment WHERE id = pg_temp.item(10);
SELECT pg_temp.unseen(false);
SELECT is(pg_temp.go(), 'copy wait resolve drain close done', 'so that it goes');
SELECT is_empty(
    $$ SELECT FROM gear_ops.gear_items WHERE id = pg_temp.item(10) $$, 'and nobody is asked'
);
UPDATE pgtandem.mapping SET phase = 'expand' WHERE name = 'gear';
SELECT pgtandem.open_copy('gear');
SELECT pgtandem._list_new_leaves('gear');
SELECT is(
    (SELECT sweep FROM pgtandem.mapping WHERE name = 'gear'), 'ask',
    'without a sync before, it may be the new application''s own'
);
SELECT is(pgtandem._sweep('gear'), 'clear', 'there is none');
SELECT is(pgtandem._sweep('gear'), 'clear', 'which is looked for once');
SELECT pgtandem.open_copy('gear');
SELECT pgtandem._list_new_leaves('gear');
UPDATE pgtandem.mapping SET phase = 'sync' WHERE name = 'gear';
SELECT pg_temp.unseen(true);
DELETE FROM user_core.old_equipment WHERE id = pg_temp.item(11);
SELECT pg_temp.unseen(false);
SELECT is(pg_temp.go(), 'copy extra', 'there is one: the copy does not close');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem._backfill_end('gear', (SELECT jsonb_populate_record(
        NULL::pgtandem.backfill_step, '{"stage": "extra"}'))) $$),
    ARRAY['TD026', '1 rows of the target of mapping "gear" have no row in its source',
          format('For example %s. There was a time without sync: they were deleted in the source '
                 'then, or are the new application''s own. All rows of the source are copied.',
                 pg_temp.item_key(11)),
          '"pgtandem verify gear" lists them, "pgtandem repair gear" deletes them; to keep one, '
          'insert it into the source. Then run it again.'],
    'TD026: somebody has to decide'
);
SELECT pgtandem.queue('gear', pg_temp.item_key(11), 'difference');
SELECT is(pg_temp.go(), 'wait resolve drain close done', 'once it is queued, the copy goes on');

-- Its time is over.
SELECT pgtandem.open_copy('gear');
SELECT pgtandem._list_new_leaves('gear');
UPDATE step SET stage = 'copy', deadline = now();
SELECT is(pg_temp.go(), 'stopped', 'after max_time it stops');
SELECT is(
    (SELECT count(*) FROM pgtandem.chunk WHERE done_at IS NOT NULL OR last_block > first_block),
    (SELECT count(*) FROM pgtandem.chunk), 'after a whole chunk'
);

-- Paused.
SELECT pgtandem.open_copy('gear');
SELECT pgtandem._list_new_leaves('gear');
UPDATE pgtandem.mapping SET paused_by = 'Ana' WHERE name = 'gear';
SELECT pgtandem._worker_start('gear');
SELECT results_eq(
    $$ SELECT s.stage, s.wait, (SELECT count(*) FROM pgtandem.chunk WHERE done_at IS NOT NULL)
       FROM step, pgtandem._backfill_step('gear', (SELECT jsonb_populate_record(
                NULL::pgtandem.backfill_step, '{"stage": "copy", "blocks": 64,
                                                "strategy": "skip"}'))) AS s $$,
    $$ VALUES ('copy', 0.5::double precision, 0::bigint) $$,
    'a paused backfill copies nothing'
);

-- require_small_rest
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_small_rest('gear', 2) $$),
    (SELECT ARRAY['TD019',
                  format('the copy of mapping "gear" has %s blocks to go',
                         sum(last_block - first_block)),
                  'A deploy copies at most 2 blocks itself, as it cannot show progress and would '
                  'go on unseen if its client were killed.',
                  'pgtandem backfill gear --jobs 2, or in psql: CALL pgtandem.backfill(''gear''); '
                  'then deploy again.']
     FROM pgtandem.chunk),
    'TD019: too much for a deploy'
);
SELECT is(pgtandem.require_small_rest('gear', 1000)::text, '', 'a small rest is not');

SELECT * FROM finish();

ROLLBACK;
