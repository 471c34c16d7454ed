-- Tests gear:gear_items_user_fkey. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(6);

SELECT fk_ok('gear_ops', 'gear_items', 'user_id', 'user_core', 'users', 'id');

SELECT is(
    (SELECT convalidated FROM pg_catalog.pg_constraint
      WHERE conrelid = 'gear_ops.gear_items'::regclass AND conname = 'gear_items_user_fkey'),
    true,
    'the key is validated'
);

INSERT INTO user_core.users (id, name, email)
VALUES ('00000000-0000-4000-8000-000000000001', 'Test', 'gear_items_user_fkey@example.invalid');

SELECT lives_ok(
    $$ INSERT INTO gear_ops.gear_items (id, user_id, name)
       VALUES ('00000000-0000-4000-8000-000000000002',
               '00000000-0000-4000-8000-000000000001', 'Rope') $$,
    'an item of a user is taken'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_items (user_id, name)
       VALUES ('00000000-0000-4000-8000-00000000000f', 'Rope') $$,
    '23503', NULL,
    'an item of nobody is not'
);
SELECT lives_ok(
    $$ DELETE FROM user_core.users WHERE id = '00000000-0000-4000-8000-000000000001' $$,
    'a user with gear can be deleted'
);
SELECT is_empty(
    $$ SELECT id FROM gear_ops.gear_items WHERE id = '00000000-0000-4000-8000-000000000002' $$,
    'and takes the gear along'
);

SELECT * FROM finish();

ROLLBACK;
