-- Tests mongo_tasks:tasks_backfill. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(4);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'tasks' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_tasks.compared()
        WHERE changed OR NOT in_source OR NOT in_target $$,
    'both sides agree'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'tasks' $$, 'the queue is empty'
);

-- The same, said in other words than the mapping's.
SELECT is_empty(
    $$ SELECT s._id, e.key
         FROM staging.tasks AS s
         JOIN app.tasks_documents AS d USING (_id)
        CROSS JOIN LATERAL jsonb_each(pgtandem.mongo_json(s.document)) AS e
        WHERE d.document ? e.key
          AND d.document -> e.key IS DISTINCT FROM e.value
          AND NOT (e.key = 'id' AND e.value IN ('null', '""')) $$,
    'the view gives back what came in'
);

SELECT * FROM finish();

ROLLBACK;
