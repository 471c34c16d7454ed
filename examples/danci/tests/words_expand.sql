-- Tests danci:words_expand, right after it: nothing is merged yet. Changes nothing; needs pgTAP in
-- the search path.

BEGIN;

SELECT plan(5);

SELECT columns_are('pgtandem_words', 'image', ARRAY[
    'user_id', 'word_id', 'mastery_level', 'review_count', 'interval_days', 'last_review_date',
    'next_review_date'
]);
SELECT results_eq(
    $$ SELECT source, target, key, settings #>> '{merge,wins}', settings #>> '{merge,by}'
         FROM pgtandem.mapping WHERE name = 'words' $$,
    $$ VALUES ('danci.word_scores'::regclass, 'danci.word_learning_states'::regclass,
               ARRAY['user_id', 'word_id'], 'newest', 'last_review_date') $$,
    'the database knows the mapping, which is a merge'
);

-- What answers become.
INSERT INTO danci.users (id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'test');
INSERT INTO danci.word_scores (user_id, word_id)
SELECT '00000000-0000-4000-8000-000000000001', n FROM generate_series(1, 4) AS n;
INSERT INTO danci.answer_records (id, user_id, word_id, is_correct, "timestamp")
SELECT -n, '00000000-0000-4000-8000-000000000001'::uuid, 1 + n / 10, n <> 3,
       '2025-01-01'::timestamptz + n * interval '1 day'
  FROM generate_series(1, 19) AS n
 WHERE n < 4 OR n > 9
UNION ALL
SELECT -20, '00000000-0000-4000-8000-000000000001'::uuid, 4, true, now();
SELECT results_eq(
    $$ SELECT word_id, mastery_level, review_count, interval_days, last_review_date,
              next_review_date - now()
         FROM pgtandem_words.image
        WHERE user_id = '00000000-0000-4000-8000-000000000001' ORDER BY word_id $$,
    $$ VALUES (1, 2, 3, 4, '2025-01-04'::timestamptz, interval '1 day'),
              (2, 5, 10, 30, '2025-01-20', interval '1 day'),
              (3, 0, 0, 1, NULL, NULL),
              (4, 1, 1, 2, now(), interval '2 days') $$,
    'right answers raise the level, up to 5; the last answer is the last review'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem_words.compared() WHERE NOT in_source $$,
    'a state of a word that was never scored is the canary''s own, and no difference'
);
SELECT lives_ok(
    $$ SELECT pgtandem.forget_mapping('words') $$, 'the mapping can still be forgotten'
);

SELECT * FROM finish();

ROLLBACK;
