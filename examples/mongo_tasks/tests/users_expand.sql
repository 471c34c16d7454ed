-- Tests mongo_tasks:users_expand. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(7);

SELECT has_view('pgtandem_users', 'image', 'what the table should hold');
SELECT columns_are('app', 'users_documents', ARRAY['_id', 'document']);
SELECT isnt(
    obj_description('app.users_documents'::regclass, 'pg_class'), NULL, 'with a comment'
);
SELECT is(
    (SELECT jsonb_pretty(settings -> 'checks') FROM pgtandem.mapping WHERE name = 'users'),
    jsonb_pretty('["email_missing", "email_twice", "times_reversed", "unfit_documents",
               "unread_fields"]'),
    'the database knows the checks'
);
SELECT is_empty($$ SELECT FROM app.users $$, 'nothing has written the table yet');
SELECT is(
    (SELECT count(*) FROM pgtandem_users.image)
    + (SELECT count(DISTINCT found ->> '_id') FROM pgtandem_users.checked('unfit_documents')),
    (SELECT count(*) FROM staging.users),
    'each document has an image, or is named'
);
SELECT is_empty(
    $$ SELECT name FROM pgtandem_users.checked('unread_fields') WHERE name <> 'unread_fields' $$,
    'one check alone'
);

SELECT * FROM finish();

ROLLBACK;
