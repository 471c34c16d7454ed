-- Tests mongo_tasks:users_sync. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(7);

CREATE FUNCTION pg_temp.held() RETURNS text LANGUAGE sql AS $$
    SELECT email FROM app.users WHERE mongo_id = '"a test"';
$$;

INSERT INTO staging.users (_id, document, import)
VALUES ('"a test"', '{"_id": "a test", "email": "x@example.com"}', 1);
SELECT is(pg_temp.held(), 'x@example.com', 'a document that comes');
UPDATE staging.users SET document = '{"_id": "a test", "email": null}' WHERE _id = '"a test"';
SELECT is(pg_temp.held(), NULL, 'that changes');
SELECT is((SELECT id FROM app.users WHERE mongo_id = '"a test"'),
          pgtandem.mongo_id_uuid('"a test"'), 'its id is always the same');
UPDATE staging.users SET document = '{"_id": "a test", "email": [1]}' WHERE _id = '"a test"';
SELECT is_empty($$ SELECT FROM app.users WHERE mongo_id = '"a test"' $$, 'that does not fit');
SELECT is(
    (SELECT found - 'value' FROM pgtandem_users.checked('unfit_documents')
      WHERE found ->> '_id' = '"a test"'),
    '{"_id": "\"a test\"", "path": "email", "flaw": "no string"}',
    'which is said'
);
UPDATE staging.users SET document = '{"_id": "a test", "email": "x@example.com"}'
 WHERE _id = '"a test"';
SELECT is(pg_temp.held(), 'x@example.com', 'that is mended');
DELETE FROM staging.users WHERE _id = '"a test"';
SELECT is_empty($$ SELECT FROM app.users WHERE mongo_id = '"a test"' $$, 'that goes');

SELECT * FROM finish();

ROLLBACK;
