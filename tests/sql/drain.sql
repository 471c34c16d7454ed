-- Tests pgtandem:drain, on gear. Changes nothing; needs pgTAP in the search path. The procedure
-- itself commits: tests/test_routines.py.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(31);

SELECT pg_temp.old_items(1, 3);

-- _mark
SELECT is(pgtandem._mark('gear'), '', 'no mark before');
SELECT is(
    current_setting('pgtandem_gear.depth'), '0', 'the mark is the trigger depth of what writes'
);
SELECT is(pgtandem._mark('gear'), '0', 'the mark before is returned');
SELECT pg_temp.unseen(false);

-- _settle
SELECT is(pgtandem._settle('gear', pg_temp.item_key(1)), 'inserted', 'a missing row is inserted');
SELECT is(pgtandem._settle('gear', pg_temp.item_key(1)), 'equal', 'a row that is right stays');
SELECT pg_temp.unseen(true);
UPDATE gear_ops.gear_items SET brand = 'spoilt', status = 'retired' WHERE id = pg_temp.item(1);
SELECT pg_temp.unseen(false);
SELECT is(pgtandem._settle('gear', pg_temp.item_key(1)), 'updated', 'a wrong row is mended');
SELECT results_eq(
    $$ SELECT brand, status FROM gear_ops.gear_items WHERE id = pg_temp.item(1) $$,
    $$ VALUES (NULL::varchar, 'retired'::varchar) $$,
    'but for what the new application owns'
);
SELECT pg_temp.unseen(true);
DELETE FROM user_core.old_equipment WHERE id = pg_temp.item(1);
SELECT pg_temp.unseen(false);
SELECT is(pgtandem._settle('gear', pg_temp.item_key(1)), 'deleted', 'a row without image goes');
SELECT is(pgtandem._settle('gear', pg_temp.item_key(1)), 'equal', 'and is right when gone');
SELECT is(current_setting('pgtandem_gear.depth'), '', 'the mark is as it was');

-- _drain_batch
DELETE FROM pgtandem.recheck;
UPDATE pgtandem.mapping SET copy_state = 'complete' WHERE name = 'gear';
SELECT pgtandem.queue('gear', pg_temp.item_key(2), 'gone');
SELECT pgtandem.queue('gear', pg_temp.item_key(2), 'difference');
SELECT pgtandem.record_failure('gear', pg_temp.item_key(3), 'sync', '55P03', 'too late');
SELECT pgtandem.queue('gear', pg_temp.item_key(9), 'contract', 'source');
SELECT pgtandem.queue('other', pg_temp.item_key(9), 'gone');
SELECT results_eq(
    $$ SELECT * FROM pgtandem._drain_batch('gear', 'difference') $$, $$ VALUES (1, 0, true) $$,
    'entries of one reason'
);
SELECT is(
    (SELECT count(*) FROM pgtandem.recheck WHERE key = pg_temp.item_key(2)), 1::bigint,
    'the others stay'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem._drain_batch('gear', NULL, 0) $$, $$ VALUES (0, 0, false) $$,
    'entries up to an id'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem._drain_batch('gear') $$, $$ VALUES (2, 0, true) $$, 'all of them'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem._drain_batch('gear') $$, $$ VALUES (0, 0, false) $$, 'nothing is left'
);
SELECT results_eq(
    $$ SELECT mapping, side FROM pgtandem.recheck ORDER BY id $$,
    $$ VALUES ('gear', 'source'), ('other', 'target') $$,
    'but what others drain'
);
SELECT isnt(
    (SELECT repaired_at FROM pgtandem.sync_failure WHERE key = pg_temp.item_key(3)), NULL,
    'the failure is repaired'
);
SELECT is(
    (SELECT count(*) FROM gear_ops.gear_items WHERE id IN (pg_temp.item(2), pg_temp.item(3))),
    2::bigint, 'the rows are there'
);
SELECT is(current_setting('lock_timeout'), '100ms', 'a drain gives way before anybody else does');

-- A key that fails.
ALTER TABLE gear_ops.gear_items ADD CONSTRAINT no_tent CHECK (category <> 'tent');
SELECT pg_temp.unseen(true);
UPDATE user_core.old_equipment SET type = 'tent' WHERE id = pg_temp.item(2);
SELECT pg_temp.unseen(false);
SELECT pgtandem.record_failure('gear', pg_temp.item_key(2), 'sync', '55P03', 'too late');
SELECT pgtandem.queue('gear', pg_temp.item_key(3), 'gone');
SELECT results_eq(
    $$ SELECT * FROM pgtandem._drain_batch('gear') $$, $$ VALUES (1, 1, true) $$,
    'it does not stop the others'
);
SELECT results_eq(
    $$ SELECT sqlstate, message LIKE '%no_tent%', attempts,
              not_before BETWEEN clock_timestamp() AND clock_timestamp() + interval '0.1 seconds'
       FROM pgtandem.recheck WHERE key = pg_temp.item_key(2) $$,
    $$ VALUES ('23514', true, 1, true) $$,
    'it stays queued, with its error, until the next try'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem._drain_batch('gear') $$, $$ VALUES (0, 0, false) $$,
    'which is not due yet'
);
UPDATE pgtandem.recheck SET attempts = 30, not_before = '-infinity' WHERE attempts = 1;
SELECT pgtandem._drain_batch('gear');
SELECT cmp_ok(
    (SELECT not_before FROM pgtandem.recheck WHERE attempts = 31), '<=',
    clock_timestamp() + interval '5 minutes', 'it is tried every five minutes at least'
);
SELECT is(
    (SELECT repaired_at FROM pgtandem.sync_failure WHERE key = pg_temp.item_key(2)), NULL,
    'its failure is open'
);

-- While the copy is open, a chunk in flight may put back what is gone.
DELETE FROM pgtandem.recheck;
UPDATE pgtandem.mapping SET copy_state = 'open' WHERE name = 'gear';
SELECT pgtandem.queue('gear', pg_temp.item_key(8), 'gone');
SELECT pgtandem.queue('gear', pg_temp.item_key(9), 'sync');
SELECT results_eq(
    $$ SELECT * FROM pgtandem._drain_batch('gear') $$, $$ VALUES (1, 0, true) $$,
    'while the copy is open, what is gone is not drained'
);
SELECT results_eq(
    $$ SELECT key, reason FROM pgtandem.recheck ORDER BY key $$,
    $$ VALUES (pg_temp.item_key(8), 'gone'), (pg_temp.item_key(9), 'gone') $$,
    'and what turns out to be gone stays queued'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem._drain_batch('gear', NULL, (SELECT max(id) FROM pgtandem.recheck)) $$,
    $$ VALUES (2, 0, true) $$,
    'until the backfill drains it, when no chunk is in flight'
);

-- _drain_report, _drain_check
SELECT lives_ok($$ SELECT pgtandem._drain_report('gear', 3) $$, 'a drain says what it did');
UPDATE pgtandem.mapping SET phase = 'expand' WHERE name = 'gear';
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem._drain_check('gear') $$),
    ARRAY['TD006', 'mapping "gear" has no sync now, so its queue cannot be drained',
          'Only the phases sync and backfill keep both sides equal.',
          'Deploy its sync change first, or revert its contract.'],
    'TD006: a mapping without sync'
);
SELECT throws_ok(
    $$ SELECT pgtandem._drain_check('none') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

-- A long queue, of which nobody has made statistics.
CREATE FUNCTION pg_temp.entries_read() RETURNS bigint
LANGUAGE sql
RETURN (SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
        WHERE relid = 'pgtandem.recheck'::regclass);
DELETE FROM pgtandem.recheck;
SELECT pgtandem.queue('gear', pg_temp.item_key(n), 'difference') FROM generate_series(1, 5000) AS n;
SELECT set_config('test.read', pg_temp.entries_read()::text, true);
SELECT pgtandem._drain_batch('gear');
SELECT cmp_ok(
    pg_temp.entries_read() - current_setting('test.read')::bigint, '<', 1000::bigint,
    'a batch does not read all of it'
);

SELECT * FROM finish();

ROLLBACK;
