-- Tests danci:reviews_expand, right after it: nothing is mended yet. Changes nothing; needs pgTAP
-- in the search path.

BEGIN;

SELECT plan(6);

SELECT columns_are('pgtandem_reviews', 'image', ARRAY['user_id', 'word_id', 'next_review_date']);
SELECT results_eq(
    $$ SELECT source = target, settings #>> '{sync,ways}'
         FROM pgtandem.mapping WHERE name = 'reviews' $$,
    $$ VALUES (true, 'none') $$,
    'the database knows the mapping, which is a repair in place'
);

INSERT INTO danci.users (id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'test');
INSERT INTO danci.word_learning_states (
    user_id, word_id, interval_days, last_review_date, next_review_date
)
SELECT '00000000-0000-4000-8000-000000000001', w.word, w.days, now() + w.last, now() + w.next
  FROM (VALUES
    (1, 3, interval '-1 day', NULL::interval),                 -- never set
    (2, 3, NULL, NULL),                                        -- never reviewed
    (3, 3, interval '-10 days', interval '-7 days'),           -- in the past, and so is the next
    (4, 30, interval '-10 days', interval '-1 second'),        -- in the past
    (5, 3, interval '-1 day', interval '1 second'),            -- right
    (6, 3, NULL, interval '-1 day')                            -- in the past, never reviewed
  ) AS w (word, days, last, next);
SELECT results_eq(
    $$ SELECT (key ->> 1)::integer FROM pgtandem_reviews.compared()
        WHERE key ->> 0 = '00000000-0000-4000-8000-000000000001' AND changed ORDER BY 1 $$,
    $$ VALUES (1), (3), (4), (6) $$,
    'which rows need it'
);
SELECT results_eq(
    $$ SELECT word_id, next_review_date - now() FROM pgtandem_reviews.image
        WHERE user_id = '00000000-0000-4000-8000-000000000001' AND word_id IN (1, 3, 4, 6)
        ORDER BY word_id $$,
    $$ VALUES (1, interval '2 days'), (3, interval '1 day'), (4, interval '20 days'),
              (6, interval '1 day') $$,
    'the interval after the last review, but tomorrow at the earliest'
);
SELECT throws_ok(
    $$ SELECT pgtandem._backfill_start('reviews', NULL) $$, 'TD007', NULL,
    'TD007: nothing to backfill'
);
SELECT lives_ok(
    $$ SELECT pgtandem.forget_mapping('reviews') $$, 'the mapping can still be forgotten'
);

SELECT * FROM finish();

ROLLBACK;
