-- Tests mongo_tasks:tasks_sync. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(7);

CREATE FUNCTION pg_temp.held() RETURNS text LANGUAGE sql AS $$
    SELECT task_name FROM app.tasks WHERE mongo_id = '"a test"';
$$;

INSERT INTO staging.tasks (_id, document, import)
VALUES ('"a test"', '{"_id": "a test", "task_name": "x"}', 1);
SELECT is(pg_temp.held(), 'x', 'a document that comes');
UPDATE staging.tasks SET document = '{"_id": "a test", "task_name": null}' WHERE _id = '"a test"';
SELECT is(pg_temp.held(), NULL, 'that changes');
SELECT is((SELECT id FROM app.tasks WHERE mongo_id = '"a test"'),
          pgtandem.mongo_id_uuid('"a test"'), 'its id is always the same');
UPDATE staging.tasks SET document = '{"_id": "a test", "task_name": [1]}' WHERE _id = '"a test"';
SELECT is_empty($$ SELECT FROM app.tasks WHERE mongo_id = '"a test"' $$, 'that does not fit');
SELECT is(
    (SELECT found - 'value' FROM pgtandem_tasks.checked('unfit_documents')
      WHERE found ->> '_id' = '"a test"'),
    '{"_id": "\"a test\"", "path": "task_name", "flaw": "no string"}',
    'which is said'
);
UPDATE staging.tasks SET document = '{"_id": "a test", "task_name": "x"}' WHERE _id = '"a test"';
SELECT is(pg_temp.held(), 'x', 'that is mended');
DELETE FROM staging.tasks WHERE _id = '"a test"';
SELECT is_empty($$ SELECT FROM app.tasks WHERE mongo_id = '"a test"' $$, 'that goes');

SELECT * FROM finish();

ROLLBACK;
