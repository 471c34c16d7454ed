-- Tests mongo_tasks:switch. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(8);

SELECT throws_ok(
    format('UPDATE staging.%I SET import = 2', t.name), '55000',
    format('the documents in staging.%s are closed', t.name), 'no import any more'
)
  FROM (VALUES ('users'), ('tasks'), ('subtasks')) AS t (name);
SELECT throws_ok($$ TRUNCATE staging.tasks $$, '55000', NULL, 'nor a TRUNCATE');

INSERT INTO app.tasks (mongo_id, task_name) VALUES ('"mine"', 'new');
SELECT is(document ->> 'task_name', 'new', 'the new application writes, the old one reads')
  FROM app.tasks_documents WHERE _id = '"mine"';
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'old_app')
           THEN ok(has_table_privilege('old_app', format('app.%s_documents', t.name), 'SELECT'),
                   format('old_app reads %s', t.name))
           ELSE skip('no role old_app')
       END
  FROM (VALUES ('users'), ('tasks'), ('subtasks')) AS t (name);

SELECT * FROM finish();

ROLLBACK;
