-- Tests danci:words_backfill, right after it: the copy is complete. Changes nothing; needs pgTAP
-- in the search path.

BEGIN;

SELECT plan(6);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'words' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_words.compared() WHERE changed OR NOT in_target $$,
    'nothing differs'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.chunk
        WHERE mapping = 'words' AND (done_at IS NULL OR set_aside > 0) $$,
    'every chunk is done, and no row was set aside'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'words' $$, 'the queue is empty'
);
SELECT is_empty(
    $$ SELECT user_id, word_id FROM danci.word_scores
       EXCEPT SELECT user_id, word_id FROM danci.word_learning_states $$,
    'each word that was begun has a state'
);
SELECT is_empty(
    $$ SELECT w.user_id, w.word_id
         FROM danci.word_learning_states AS w
         JOIN (SELECT user_id, word_id, max("timestamp") AS last
                 FROM danci.answer_records GROUP BY 1, 2) AS a USING (user_id, word_id)
        WHERE w.last_review_date IS NULL OR w.last_review_date < a.last $$,
    'and knows of the last answer'
);

SELECT * FROM finish();

ROLLBACK;
