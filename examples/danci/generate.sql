-- Fills the old system with learners, words and answers, and the new tables with those rows that
-- the canary has made.
--
--     psql -f generate.sql                  3,000 learners
--     psql -v users=1000000 -f generate.sql
--
-- The same number gives the same rows, on any server, but for next_review_date, which has to lie
-- before and after now: everything else is cut from the md5 of the row's number. There are never
-- fewer than 200 learners. Fails, and changes nothing, where there is a learner already. Takes
-- ACCESS EXCLUSIVE on all tables: for a database nobody uses yet.
--
-- What to expect, of N learners:
--
--   amas_user_states        all but each tenth learner; three states have an attention of over 1,
--                           which the new table refuses; cognitive is empty, or lacks keys, in some
--   user_learning_profiles  each seventh learner. A third of these profiles is newer than the
--                           state, a third older, a third as old; each tenth learner has no state
--   word_scores             about 10 words for each learner, and 3 answers for each word; the
--                           answers to each twentieth word are lost
--   word_learning_states    each ninth word that was begun: some as old as the last answer, some
--                           newer, some older. Of these about one in 8 was never given a next
--                           review, one in 16 was given one in the past

\set ON_ERROR_STOP on
\if :{?users}
\else
    \set users 3000
\endif

BEGIN;

-- Literals below are read alike whatever the session's own settings are.
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';

DO $$
BEGIN
    IF EXISTS (SELECT FROM danci.users) THEN
        RAISE EXCEPTION 'danci.users is not empty'
            USING ERRCODE = 'TD902', HINT = 'Generate into a fresh database: psql -f legacy.sql.';
    END IF;
END;
$$;

SELECT greatest(:users, 200) AS users \gset

CREATE FUNCTION pg_temp.cut(p_text text, p_from integer, p_length integer)
RETURNS bigint
LANGUAGE sql IMMUTABLE
-- The number that p_length hexadecimal digits (at most 15) of the md5 of p_text stand for.
RETURN ('x' || lpad(substr(md5(p_text), p_from, p_length), 16, '0'))::bit(64)::bigint;

CREATE FUNCTION pg_temp.id_of(p_kind text, p_number bigint)
RETURNS uuid
LANGUAGE sql IMMUTABLE
RETURN md5('danci ' || p_kind || ' ' || p_number)::uuid;

CREATE FUNCTION pg_temp.share(p_kind text, p_number bigint)
RETURNS double precision
LANGUAGE sql IMMUTABLE
-- 0 to 1, with as many digits as a double precision has.
RETURN pg_temp.cut(p_kind || p_number, 1, 13) / 4503599627370496.0::double precision;

LOCK TABLE danci.users, danci.words, danci.amas_user_states, danci.user_learning_profiles,
    danci.answer_records, danci.word_scores, danci.word_learning_states IN ACCESS EXCLUSIVE MODE;

INSERT INTO danci.users (id, name, created_at)
SELECT pg_temp.id_of('user', n),
       CASE WHEN n % 50 = 0 THEN odd.names[1 + n / 50 % cardinality(odd.names)]
            ELSE 'learner ' || n END,
       timestamp '2023-01-01' + pg_temp.cut('signed up ' || n, 1, 6) * interval '1 second'
  FROM generate_series(1, :users) AS n
 CROSS JOIN (
    SELECT ARRAY['单词', '', U&'\+01F4D6', 'O''Reilly "x" \ y', '%s', 'NULL']
  ) AS odd (names);

INSERT INTO danci.words (id, spelling)
SELECT n, 'word ' || n FROM generate_series(1, 2000) AS n;

INSERT INTO danci.amas_user_states (
    id, user_id, attention, fatigue, motivation, cognitive, trend, created_at, updated_at
)
SELECT pg_temp.id_of('state', n), pg_temp.id_of('user', n),
       CASE WHEN n IN (11, 77, 191) THEN 1.0625 ELSE pg_temp.share('attention ', n) END,
       pg_temp.share('fatigue ', n), 2 * pg_temp.share('motivation ', n) - 1,
       CASE n % 8 WHEN 0 THEN '{}' WHEN 1 THEN '{"memory": null, "speed": 0.5}'
            ELSE jsonb_build_object('memory', pg_temp.share('memory ', n),
                                    'speed', pg_temp.share('speed ', n),
                                    'stability', pg_temp.share('stability ', n), 'version', 3)
       END,
       (ARRAY['up', 'flat', 'stuck', 'down', NULL])[1 + n % 5],
       timestamp '2024-01-01' + n % 300 * interval '1 day',
       timestamp '2025-01-01' + pg_temp.cut('state ' || n, 1, 6) * interval '1 second'
  FROM generate_series(1, :users) AS n
 WHERE n % 10 > 0
 ORDER BY md5('heap ' || n);

-- As old as the state, a day newer, a day older; those without a state are of the canary alone.
INSERT INTO danci.user_learning_profiles (
    id, user_id, attention, fatigue, motivation, memory, trend, theta, created_at, updated_at
)
SELECT pg_temp.id_of('profile', n), pg_temp.id_of('user', n), pg_temp.share('canary ', n), 0.125,
       0.5, pg_temp.share('memory ', n), 'flat', 4 * pg_temp.share('theta ', n) - 2,
       timestamp '2025-01-01',
       coalesce(s.updated_at, timestamp '2025-02-01')
         + (ARRAY[interval '0', interval '1 day', interval '-1 day'])[1 + n / 7 % 3]
  FROM generate_series(7, :users, 7) AS n
  LEFT JOIN danci.amas_user_states AS s ON s.user_id = pg_temp.id_of('user', n);

-- OFFSET 0 keeps the planner from computing an md5 again wherever it is mentioned.
CREATE TEMPORARY TABLE begun AS
SELECT n * 10 + w AS number, pg_temp.id_of('user', n) AS user_id, k.word_id
  FROM generate_series(1, :users) AS n
 CROSS JOIN LATERAL generate_series(0, 9) AS w
 CROSS JOIN LATERAL (
    SELECT 1 + (pg_temp.cut('first word ' || n, 1, 6) + w * 7) % 2000 OFFSET 0
  ) AS k (word_id);

INSERT INTO danci.word_scores (user_id, word_id, score)
SELECT user_id, word_id, number % 101 FROM begun ORDER BY md5('score ' || number);

INSERT INTO danci.answer_records (id, user_id, word_id, is_correct, response_time, "timestamp")
SELECT b.number * 3 + a, b.user_id, b.word_id,
       pg_temp.cut('answer ' || b.number * 3 + a, 1, 2) % 4 > 0,
       CASE WHEN b.number % 7 > 0 THEN 500 + (b.number * 37 + a) % 9000 END,
       timestamp '2025-03-01' + (b.number * 7 + a * 50) % 200 * interval '1 day'
         + b.number % 86400 * interval '1 second'
  FROM begun AS b
 CROSS JOIN LATERAL generate_series(0, 2) AS a
 WHERE b.number % 20 > 0;

INSERT INTO danci.word_learning_states (
    user_id, word_id, mastery_level, review_count, interval_days, last_review_date,
    next_review_date
)
SELECT b.user_id, b.word_id, b.number % 6, 1 + b.number % 4, 1 + b.number % 30,
       r.last_review_date,
       CASE WHEN b.number / 9 % 8 = 0 THEN NULL
            WHEN b.number / 9 % 16 = 1 THEN r.last_review_date + interval '1 day'
            ELSE now() + (1 + b.number % 60) * interval '1 day' END
  FROM begun AS b
 CROSS JOIN LATERAL (
    SELECT max(a."timestamp")
             + (ARRAY[interval '0', interval '12 hours', interval '-2 days'])[1 + b.number / 9 % 3]
      FROM danci.answer_records AS a
     WHERE a.user_id = b.user_id AND a.word_id = b.word_id
  ) AS r (last_review_date)
 WHERE b.number % 9 = 0;

COMMIT;

ANALYZE danci.users, danci.words, danci.amas_user_states, danci.user_learning_profiles,
    danci.answer_records, danci.word_scores, danci.word_learning_states;
