-- Tests gear:gear_tables. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(33);

SELECT has_table('gear_ops', t.name, format('table gear_ops.%s', t.name))
  FROM (VALUES ('gear_items'), ('gear_inspections'), ('gear_reminders')) AS t (name);

SELECT columns_are('gear_ops', 'gear_items', ARRAY[
    'id', 'user_id', 'name', 'category', 'brand', 'status', 'role', 'created_at', 'updated_at'
]);
SELECT columns_are('gear_ops', 'gear_inspections', ARRAY[
    'id', 'gear_item_id', 'inspected_at', 'inspector', 'result', 'notes', 'next_due'
]);
SELECT columns_are('gear_ops', 'gear_reminders', ARRAY[
    'id', 'gear_item_id', 'kind', 'due_at', 'sent_at', 'dismissed_at', 'created_at'
]);
SELECT col_is_pk('gear_ops', t.name, 'id', format('id is the key of %s', t.name))
  FROM (VALUES ('gear_items'), ('gear_inspections'), ('gear_reminders')) AS t (name);
SELECT fk_ok('gear_ops', t.name, 'gear_item_id', 'gear_ops', 'gear_items', 'id')
  FROM (VALUES ('gear_inspections'), ('gear_reminders')) AS t (name);

SELECT is_empty(
    $$ SELECT attrelid::regclass, attname
         FROM pg_catalog.pg_attribute
        WHERE attrelid IN ('gear_ops.gear_items'::regclass, 'gear_ops.gear_inspections'::regclass,
                           'gear_ops.gear_reminders'::regclass)
          AND attnum > 0
          AND NOT attisdropped
          AND col_description(attrelid, attnum) IS NULL $$,
    'every column has a comment'
);
SELECT isnt(obj_description(t.name::regclass, 'pg_class'), NULL, format('%s has a comment', t.name))
  FROM (VALUES ('gear_ops.gear_items'), ('gear_ops.gear_inspections'), ('gear_ops.gear_reminders'))
    AS t (name);

-- Where the role exists, it may read and write, and no more.
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app')
           THEN table_privs_are(
                    'gear_ops'::name, t.name::name, 'new_app'::name,
                    ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']::name[]
                )
           ELSE skip('no role new_app')
       END
  FROM (VALUES ('gear_items'), ('gear_inspections'), ('gear_reminders')) AS t (name);

-- What rows may look like. The user must exist: once sync is deployed, the item is written back.
INSERT INTO user_core.users (id, name, email)
VALUES ('00000000-0000-4000-8000-000000000001', 'Test', 'gear_tables@example.invalid');

SELECT lives_ok(
    $$ INSERT INTO gear_ops.gear_items (id, user_id, name)
       VALUES ('00000000-0000-4000-8000-000000000002',
               '00000000-0000-4000-8000-000000000001', '') $$,
    'an item needs an owner and a name, which may be empty'
);
SELECT results_eq(
    $$ SELECT status, role FROM gear_ops.gear_items
        WHERE id = '00000000-0000-4000-8000-000000000002' $$,
    $$ VALUES ('active'::varchar, 'personal'::varchar) $$,
    'status and role have their defaults'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_items (user_id) VALUES ('00000000-0000-4000-8000-000000000001') $$,
    '23502', NULL, 'no item without a name'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_items (name) VALUES ('Rope') $$,
    '23502', NULL, 'no item without an owner'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_items (user_id, name, status)
       VALUES ('00000000-0000-4000-8000-000000000001', 'Rope', 'eaten') $$,
    '23514', NULL, 'no unknown status'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_items (user_id, name, role)
       VALUES ('00000000-0000-4000-8000-000000000001', 'Rope', 'hero') $$,
    '23514', NULL, 'no unknown role'
);

SELECT lives_ok(
    $$ INSERT INTO gear_ops.gear_inspections (gear_item_id, inspector, result, next_due)
       VALUES ('00000000-0000-4000-8000-000000000002', 'Ana', 'passed', '2026-11-13') $$,
    'an inspection'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_inspections (gear_item_id, inspector, result)
       VALUES ('00000000-0000-4000-8000-000000000002', 'Ana', 'perhaps') $$,
    '23514', NULL, 'no unknown result'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_inspections (gear_item_id, inspector, result)
       VALUES ('00000000-0000-4000-8000-00000000000f', 'Ana', 'passed') $$,
    '23503', NULL, 'no inspection of nothing'
);
SELECT lives_ok(
    $$ INSERT INTO gear_ops.gear_reminders (gear_item_id, kind, due_at)
       VALUES ('00000000-0000-4000-8000-000000000002', 'inspection', '2026-11-01') $$,
    'a reminder'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_reminders (gear_item_id, kind, due_at)
       VALUES ('00000000-0000-4000-8000-000000000002', 'party', '2026-11-01') $$,
    '23514', NULL, 'no unknown kind'
);

-- A key changed in the old system reaches the item, and what hangs from it follows.
UPDATE gear_ops.gear_items
   SET id = '00000000-0000-4000-8000-000000000003'
 WHERE id = '00000000-0000-4000-8000-000000000002';
SELECT is(
    (SELECT count(*) FROM gear_ops.gear_inspections
      WHERE gear_item_id = '00000000-0000-4000-8000-000000000003')
    + (SELECT count(*) FROM gear_ops.gear_reminders
        WHERE gear_item_id = '00000000-0000-4000-8000-000000000003'),
    2::bigint,
    'inspections and reminders follow a changed key'
);
DELETE FROM gear_ops.gear_items WHERE id = '00000000-0000-4000-8000-000000000003';
SELECT is(
    (SELECT count(*) FROM gear_ops.gear_inspections
      WHERE gear_item_id = '00000000-0000-4000-8000-000000000003')
    + (SELECT count(*) FROM gear_ops.gear_reminders
        WHERE gear_item_id = '00000000-0000-4000-8000-000000000003'),
    0::bigint,
    'and go with their item'
);
SELECT ok(
    (SELECT bool_and(i.indisvalid)
       FROM pg_catalog.pg_index AS i
       JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
      WHERE c.relnamespace = 'gear_ops'::regnamespace),
    'no index is invalid'
);
SELECT has_index('gear_ops', 'gear_items', 'gear_items_user_id_idx', 'user_id', 'items by owner');

SELECT * FROM finish();

ROLLBACK;
