-- Tests mongo_tasks:subtasks_expand. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(7);

SELECT has_view('pgtandem_subtasks', 'image', 'what the table should hold');
SELECT columns_are('app', 'subtasks_documents', ARRAY['_id', 'document']);
SELECT isnt(
    obj_description('app.subtasks_documents'::regclass, 'pg_class'), NULL, 'with a comment'
);
SELECT is(
    (SELECT jsonb_pretty(settings -> 'checks') FROM pgtandem.mapping WHERE name = 'subtasks'),
    jsonb_pretty('["parent_missing", "status_unknown", "out_of_range", "times_reversed",
               "unfit_documents", "unread_fields"]'),
    'the database knows the checks'
);
SELECT is_empty($$ SELECT FROM app.subtasks $$, 'nothing has written the table yet');
SELECT is(
    (SELECT count(*) FROM pgtandem_subtasks.image)
    + (SELECT count(DISTINCT found ->> '_id') FROM pgtandem_subtasks.checked('unfit_documents')),
    (SELECT count(*) FROM staging.subtasks),
    'each document has an image, or is named'
);
SELECT is_empty(
    $$ SELECT name FROM pgtandem_subtasks.checked('unread_fields') WHERE name <> 'unread_fields' $$,
    'one check alone'
);

SELECT * FROM finish();

ROLLBACK;
