-- Tests gear:gear_backfill, right after it: the copy is complete. Changes nothing; needs pgTAP in
-- the search path.

BEGIN;

SELECT plan(10);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'gear' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_gear.compared() WHERE changed OR NOT in_source OR NOT in_target $$,
    'both sides agree'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.chunk WHERE mapping = 'gear' AND (done_at IS NULL OR set_aside > 0) $$,
    'every chunk is done, and no row was set aside'
);
SELECT is_empty($$ SELECT FROM pgtandem.recheck WHERE mapping = 'gear' $$, 'the queue is empty');
SELECT results_eq(
    $$ SELECT percent, failed, workers FROM pgtandem.progress WHERE mapping = 'gear' $$,
    $$ VALUES (100.0::numeric, 0::bigint, 0::bigint) $$,
    'which can be seen'
);
SELECT is(
    (SELECT tgenabled::text FROM pg_catalog.pg_trigger
     WHERE tgrelid = 'user_core.old_equipment'::regclass AND tgname = 'pgtandem_gear_moved'),
    'D', 'rows may move to other blocks, unseen'
);
SELECT ok(NOT pgtandem_gear.copy_is_open(), 'the copy is closed');

INSERT INTO user_core.users (id, name, email)
VALUES ('00000000-0000-4000-9000-000000000001', 'Test', 'gear_backfill@example.invalid');
INSERT INTO user_core.old_equipment (id, user_id, name)
VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-9000-000000000001', 'Rope');
UPDATE gear_ops.gear_items SET brand = 'Acme' WHERE id = '00000000-0000-4000-8000-000000000001';
SELECT is(
    (SELECT brand FROM user_core.old_equipment WHERE id = '00000000-0000-4000-8000-000000000001'),
    'Acme', 'the sync goes on'
);
DELETE FROM user_core.old_equipment WHERE id = '00000000-0000-4000-8000-000000000001';
SELECT is_empty(
    $$ SELECT FROM gear_ops.gear_items WHERE id = '00000000-0000-4000-8000-000000000001' $$,
    'for deletes, too'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'gear' $$, 'which need no second look any more'
);

SELECT * FROM finish();

ROLLBACK;
