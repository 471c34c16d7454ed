-- Tests mongo_tasks:users_backfill. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(4);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'users' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_users.compared()
        WHERE changed OR NOT in_source OR NOT in_target $$,
    'both sides agree'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'users' $$, 'the queue is empty'
);

-- The same, said in other words than the mapping's.
SELECT is_empty(
    $$ SELECT s._id, e.key
         FROM staging.users AS s
         JOIN app.users_documents AS d USING (_id)
        CROSS JOIN LATERAL jsonb_each(pgtandem.mongo_json(s.document)) AS e
        WHERE d.document ? e.key
          AND d.document -> e.key IS DISTINCT FROM e.value $$,
    'the view gives back what came in'
);

SELECT * FROM finish();

ROLLBACK;
