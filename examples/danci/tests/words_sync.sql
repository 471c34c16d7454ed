-- Tests danci:words_sync, right after it: the copy is open. Changes nothing; needs pgTAP in the
-- search path.

BEGIN;

SELECT plan(8);

CREATE FUNCTION pg_temp.drained() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_batch record;
    v_keys  bigint := 0;
BEGIN
    LOOP
        SELECT * INTO v_batch FROM pgtandem._drain_batch('words');
        v_keys := v_keys + v_batch.settled;
        EXIT WHEN NOT v_batch.more;
    END LOOP;
    RETURN v_keys;
END;
$$;

SELECT results_eq(
    $$ SELECT phase, copy_state, copy_strategy FROM pgtandem.mapping WHERE name = 'words' $$,
    $$ VALUES ('sync', 'open', 'overwrite') $$,
    'the sync is on, the copy open'
);

INSERT INTO danci.users (id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'test');
INSERT INTO danci.word_scores (user_id, word_id)
VALUES ('00000000-0000-4000-8000-000000000001', 1), ('00000000-0000-4000-8000-000000000001', 2);
INSERT INTO danci.answer_records (id, user_id, word_id, is_correct, "timestamp")
VALUES (-1, '00000000-0000-4000-8000-000000000001', 1, true, '2025-01-01');
SELECT is(pg_temp.drained() > 0, true, 'words and answers are queued');
SELECT results_eq(
    $$ SELECT word_id, mastery_level, review_count, next_review_date - now()
         FROM danci.word_learning_states
        WHERE user_id = '00000000-0000-4000-8000-000000000001' ORDER BY word_id $$,
    $$ VALUES (1, 1, 1, interval '1 day'), (2, 0, 0, NULL) $$,
    'and become states'
);
UPDATE danci.word_learning_states
   SET next_review_date = '2030-01-01', mastery_level = 4, last_review_date = '2025-01-05'
 WHERE user_id = '00000000-0000-4000-8000-000000000001';
INSERT INTO danci.answer_records (id, user_id, word_id, is_correct, "timestamp")
VALUES (-2, '00000000-0000-4000-8000-000000000001', 1, true, '2025-01-04'),
       (-3, '00000000-0000-4000-8000-000000000001', 2, true, '2025-01-06');
SELECT is(pg_temp.drained() > 0, true, 'more answers');
SELECT results_eq(
    $$ SELECT word_id, mastery_level, review_count, next_review_date
         FROM danci.word_learning_states
        WHERE user_id = '00000000-0000-4000-8000-000000000001' ORDER BY word_id $$,
    $$ VALUES (1, 4, 1, '2030-01-01'::timestamptz), (2, 1, 1, '2030-01-01') $$,
    'what the canary knows is newer for one word and older for the other; its dates stay'
);
DELETE FROM danci.word_scores WHERE user_id = '00000000-0000-4000-8000-000000000001';
SELECT pg_temp.drained();
SELECT is(
    (SELECT count(*) FROM danci.word_learning_states
      WHERE user_id = '00000000-0000-4000-8000-000000000001'), 2::bigint,
    'a score that goes leaves its state'
);
SELECT throws_ok(
    format('TRUNCATE %s', t.name), 'TD014', NULL, format('TD014: TRUNCATE of %s', t.name)
)
  FROM (VALUES ('danci.word_scores'), ('danci.answer_records')) AS t (name);

SELECT * FROM finish();

ROLLBACK;
