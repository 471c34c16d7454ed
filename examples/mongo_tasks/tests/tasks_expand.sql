-- Tests mongo_tasks:tasks_expand. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(7);

SELECT has_view('pgtandem_tasks', 'image', 'what the table should hold');
SELECT columns_are('app', 'tasks_documents', ARRAY['_id', 'document']);
SELECT isnt(
    obj_description('app.tasks_documents'::regclass, 'pg_class'), NULL, 'with a comment'
);
SELECT is(
    (SELECT jsonb_pretty(settings -> 'checks') FROM pgtandem.mapping WHERE name = 'tasks'),
    jsonb_pretty('["user_missing", "status_unknown", "out_of_range", "not_completed",
               "times_reversed", "unfit_documents", "unread_fields"]'),
    'the database knows the checks'
);
SELECT is_empty($$ SELECT FROM app.tasks $$, 'nothing has written the table yet');
SELECT is(
    (SELECT count(*) FROM pgtandem_tasks.image)
    + (SELECT count(DISTINCT found ->> '_id') FROM pgtandem_tasks.checked('unfit_documents')),
    (SELECT count(*) FROM staging.tasks),
    'each document has an image, or is named'
);
SELECT is_empty(
    $$ SELECT name FROM pgtandem_tasks.checked('unread_fields') WHERE name <> 'unread_fields' $$,
    'one check alone'
);

SELECT * FROM finish();

ROLLBACK;
