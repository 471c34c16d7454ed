-- Tests danci:reviews_backfill, right after it: the copy is complete. Changes nothing; needs pgTAP
-- in the search path.

BEGIN;

SELECT plan(6);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'reviews' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_reviews.compared() WHERE changed OR NOT in_target $$,
    'nothing differs'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.chunk
        WHERE mapping = 'reviews' AND (done_at IS NULL OR set_aside > 0) $$,
    'every chunk is done, and no row was set aside'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'reviews' $$, 'the queue is empty'
);
SELECT is_empty(
    $$ SELECT FROM danci.word_learning_states
        WHERE next_review_date IS NULL AND last_review_date IS NOT NULL $$,
    'each word that was reviewed is reviewed again'
);
SELECT is_empty(
    $$ SELECT FROM danci.word_learning_states WHERE next_review_date < now() $$,
    'and none in the past'
);

SELECT * FROM finish();

ROLLBACK;
