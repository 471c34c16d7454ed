-- Tests mongo_tasks:subtasks_sync. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(7);

CREATE FUNCTION pg_temp.held() RETURNS text LANGUAGE sql AS $$
    SELECT ratio FROM app.subtasks WHERE mongo_id = '"a test"';
$$;

INSERT INTO staging.subtasks (_id, document, import)
VALUES ('"a test"', '{"_id": "a test", "ratio": "4:3"}', 1);
SELECT is(pg_temp.held(), '4:3', 'a document that comes');
UPDATE staging.subtasks SET document = '{"_id": "a test", "ratio": null}' WHERE _id = '"a test"';
SELECT is(pg_temp.held(), NULL, 'that changes');
SELECT is((SELECT id FROM app.subtasks WHERE mongo_id = '"a test"'),
          pgtandem.mongo_id_uuid('"a test"'), 'its id is always the same');
UPDATE staging.subtasks SET document = '{"_id": "a test", "ratio": [1]}' WHERE _id = '"a test"';
SELECT is_empty($$ SELECT FROM app.subtasks WHERE mongo_id = '"a test"' $$, 'that does not fit');
SELECT is(
    (SELECT found - 'value' FROM pgtandem_subtasks.checked('unfit_documents')
      WHERE found ->> '_id' = '"a test"'),
    '{"_id": "\"a test\"", "path": "ratio", "flaw": "no string"}',
    'which is said'
);
UPDATE staging.subtasks SET document = '{"_id": "a test", "ratio": "4:3"}' WHERE _id = '"a test"';
SELECT is(pg_temp.held(), '4:3', 'that is mended');
DELETE FROM staging.subtasks WHERE _id = '"a test"';
SELECT is_empty($$ SELECT FROM app.subtasks WHERE mongo_id = '"a test"' $$, 'that goes');

SELECT * FROM finish();

ROLLBACK;
