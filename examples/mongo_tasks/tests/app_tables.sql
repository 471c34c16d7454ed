-- Tests mongo_tasks:app_tables. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(16);

SELECT has_table('app', t.name, format('table app.%s', t.name))
  FROM (VALUES ('users'), ('tasks'), ('subtasks')) AS t (name);
SELECT col_is_pk('app', t.name, 'id', format('id is the key of %s', t.name))
  FROM (VALUES ('users'), ('tasks'), ('subtasks')) AS t (name);
SELECT is_empty(
    $$ SELECT attrelid::regclass, attname
         FROM pg_catalog.pg_attribute
        WHERE attrelid IN ('app.users'::regclass, 'app.tasks'::regclass, 'app.subtasks'::regclass)
          AND attnum > 0
          AND col_description(attrelid, attnum) IS NULL $$,
    'every column has a comment'
);

-- The plan's defaults.
INSERT INTO app.users (email) VALUES ('a@example.com');
SELECT results_eq(
    $$ SELECT roles, is_active FROM app.users $$, $$ VALUES ('{user}'::text[], true) $$, 'a user'
);
INSERT INTO app.tasks (task_name) VALUES ('a');
SELECT results_eq(
    $$ SELECT tags, variables, settings, status, total_images, all_subtasks_completed, is_deleted,
              priority
         FROM app.tasks $$,
    $$ VALUES (jsonb '[]', jsonb '{}', jsonb '{}', 'pending', 0, false, false, 1) $$, 'a task'
);
INSERT INTO app.subtasks (parent_task_id) VALUES (NULL);
SELECT results_eq(
    $$ SELECT cardinality(variable_indices), variable_types_map, type_to_variable, status, result,
              error, retry_count, prompts, ratio, seed, use_polish, rating, evaluate
         FROM app.subtasks $$,
    $$ VALUES (6, jsonb '{}', jsonb '{}', 'pending', NULL::jsonb, NULL, 0, jsonb '[]', '1:1',
               NULL::bigint, false, NULL::integer, NULL) $$, 'a subtask'
);
SELECT matches((SELECT mongo_id FROM app.users), '^"[-0-9a-f]{36}"$', 'a new row has an _id');
SELECT throws_ok($$ UPDATE app.subtasks SET rating = 6 $$, '23514', NULL, 'six stars');

-- Where the role exists, it may read, and rate.
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app')
           THEN table_privs_are('app'::name, t.name::name, 'new_app'::name,
                                ARRAY['SELECT']::name[])
           ELSE skip('no role new_app')
       END
  FROM (VALUES ('users'), ('tasks'), ('subtasks')) AS t (name);
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app')
           THEN ok(has_column_privilege('new_app', 'app.subtasks', 'rating', 'UPDATE'), 'to rate')
           ELSE skip('no role new_app')
       END;

SELECT * FROM finish();

ROLLBACK;
