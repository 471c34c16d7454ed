-- Deploy danci:words_expand to pg
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 fee836745fc5b7b8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What danci.word_learning_states should hold, as a view by key, and the comparison of the two.
-- Nothing writes yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_words;
COMMENT ON SCHEMA pgtandem_words IS
    'Rendered from the mapping "words": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_words.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_words.compared(uuid, uuid);
DROP VIEW IF EXISTS pgtandem_words.categories;
DROP VIEW IF EXISTS pgtandem_words.image;
DROP VIEW IF EXISTS pgtandem_words.image_of_key;
CREATE VIEW pgtandem_words.image AS
SELECT source.user_id AS user_id,
       source.word_id AS word_id,
       (least(5, coalesce(answer.correct, 0))::integer)::integer AS mastery_level,
       (coalesce(answer.count, 0)::integer)::integer AS review_count,
       ((ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5, coalesce(answer.correct,
                                                          0))])::integer AS interval_days,
       (answer.last)::timestamptz AS last_review_date,
       greatest(answer.last + (ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5, coalesce(answer.correct, 0))]
                       * interval '1 day',
         CASE WHEN answer.last IS NOT NULL THEN now() + interval '1 day' END) AS next_review_date
FROM danci.word_scores AS source
LEFT JOIN (
    SELECT answer.user_id, answer.word_id, (count(*)), (count(*) FILTER (WHERE answer.is_correct)),
        (max(answer.timestamp))
    FROM danci.answer_records AS answer
    GROUP BY 1, 2
) AS answer (pgtandem_1, pgtandem_2, count, correct,
             last) ON answer.pgtandem_1 = source.user_id AND answer.pgtandem_2 = source.word_id;
COMMENT ON VIEW pgtandem_words.image IS
    'What danci.word_learning_states should hold, by key. Initial only: next_review_date.';

CREATE VIEW pgtandem_words.image_of_key AS
SELECT source.user_id AS user_id,
       source.word_id AS word_id,
       (least(5, coalesce(answer.correct, 0))::integer)::integer AS mastery_level,
       (coalesce(answer.count, 0)::integer)::integer AS review_count,
       ((ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5, coalesce(answer.correct,
                                                          0))])::integer AS interval_days,
       (answer.last)::timestamptz AS last_review_date,
       greatest(answer.last + (ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5, coalesce(answer.correct, 0))]
                       * interval '1 day',
         CASE WHEN answer.last IS NOT NULL THEN now() + interval '1 day' END) AS next_review_date
FROM danci.word_scores AS source
LEFT JOIN LATERAL (
    SELECT (count(*)), (count(*) FILTER (WHERE answer.is_correct)), (max(answer.timestamp))
    FROM danci.answer_records AS answer
    WHERE source.user_id = answer.user_id
      AND source.word_id = answer.word_id
    GROUP BY answer.user_id, answer.word_id
) AS answer (count, correct, last) ON true;
COMMENT ON VIEW pgtandem_words.image_of_key IS
    'The same, for one key or a few: it reads the joined tables by index.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_words.compared(
    p_low  uuid DEFAULT NULL,
    p_high uuid DEFAULT NULL
) RETURNS TABLE (
    key       jsonb,
    in_source boolean,
    in_target boolean,
    changed   boolean,
    columns   text[],
    source    jsonb,
    target    jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT jsonb_build_array(coalesce(t.user_id, i.user_id), coalesce(t.word_id, i.word_id)),
           i.user_id IS NOT NULL OR t.user_id IS NULL,
           t.user_id IS NOT NULL,
           i.user_id IS NOT NULL AND t.user_id IS NOT NULL
               AND coalesce(i.last_review_date > t.last_review_date,
                            i.last_review_date IS NOT NULL AND t.last_review_date IS NULL),
           array_remove(ARRAY[CASE WHEN i.mastery_level IS DISTINCT FROM t.mastery_level
                              THEN 'mastery_level' END,
                              CASE WHEN i.review_count IS DISTINCT FROM t.review_count
                                  THEN 'review_count' END,
                              CASE WHEN i.interval_days IS DISTINCT FROM t.interval_days
                                  THEN 'interval_days' END,
                              CASE WHEN i.last_review_date IS DISTINCT FROM t.last_review_date
                              THEN 'last_review_date' END], NULL),
           jsonb_build_object('user_id', i.user_id::text, 'word_id', i.word_id::text,
                              'mastery_level', i.mastery_level::text,
                              'review_count', i.review_count::text,
                              'interval_days', i.interval_days::text,
                              'last_review_date', i.last_review_date::text),
           jsonb_build_object('user_id', t.user_id::text, 'word_id', t.word_id::text,
                              'mastery_level', t.mastery_level::text,
                              'review_count', t.review_count::text,
                              'interval_days', t.interval_days::text,
                              'last_review_date', t.last_review_date::text)
    FROM (SELECT user_id, word_id, mastery_level, review_count, interval_days, last_review_date
          FROM pgtandem_words.image
          WHERE (p_low IS NULL OR user_id >= p_low)
            AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL))) AS i
    LEFT JOIN (SELECT user_id, word_id, mastery_level, review_count, interval_days, last_review_date
               FROM danci.word_learning_states
               WHERE (p_low IS NULL OR user_id >= p_low)
                 AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL)))
                     AS t
      ON t.user_id = i.user_id AND t.word_id = i.word_id;
END;
COMMENT ON FUNCTION pgtandem_words.compared(uuid, uuid) IS
    'Every key of image and target in a range of user_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Changed: the image wins; rows that only the '
    'target has are left out. Source: the mapping "words".';

CREATE FUNCTION pgtandem_words.compared_keys(p_keys jsonb) RETURNS TABLE (
    key       jsonb,
    in_source boolean,
    in_target boolean,
    changed   boolean,
    columns   text[],
    source    jsonb,
    target    jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT k.key,
           i.user_id IS NOT NULL,
           t.user_id IS NOT NULL,
           i.user_id IS NOT NULL AND t.user_id IS NOT NULL
               AND coalesce(i.last_review_date > t.last_review_date,
                            i.last_review_date IS NOT NULL AND t.last_review_date IS NULL),
           array_remove(ARRAY[CASE WHEN i.mastery_level IS DISTINCT FROM t.mastery_level
                              THEN 'mastery_level' END,
                              CASE WHEN i.review_count IS DISTINCT FROM t.review_count
                                  THEN 'review_count' END,
                              CASE WHEN i.interval_days IS DISTINCT FROM t.interval_days
                                  THEN 'interval_days' END,
                              CASE WHEN i.last_review_date IS DISTINCT FROM t.last_review_date
                              THEN 'last_review_date' END], NULL),
           jsonb_build_object('user_id', i.user_id::text, 'word_id', i.word_id::text,
                              'mastery_level', i.mastery_level::text,
                              'review_count', i.review_count::text,
                              'interval_days', i.interval_days::text,
                              'last_review_date', i.last_review_date::text),
           jsonb_build_object('user_id', t.user_id::text, 'word_id', t.word_id::text,
                              'mastery_level', t.mastery_level::text,
                              'review_count', t.review_count::text,
                              'interval_days', t.interval_days::text,
                              'last_review_date', t.last_review_date::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    -- OFFSET 0 keeps the planner from reading the tables as a whole for a few keys.
    LEFT JOIN LATERAL (SELECT * FROM pgtandem_words.image_of_key AS i
                       WHERE i.user_id = (k.key ->> 0)::uuid AND i.word_id = (k.key ->> 1)::integer
                       OFFSET 0) AS i ON true
    LEFT JOIN danci.word_learning_states AS t
      ON t.user_id = (k.key ->> 0)::uuid AND t.word_id = (k.key ->> 1)::integer
     AND i.user_id IS NOT NULL;
END;
COMMENT ON FUNCTION pgtandem_words.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_words.measure_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint,
    p_strategy    text
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $copy$
DECLARE
    v_rows bigint;
BEGIN
    -- @plpgsql_check_options: extra_warnings = off
    -- The strategy is always the same.
    EXECUTE format($merge$
            -- No lock: an older image never wins over a newer row, whoever writes it.
            WITH image AS MATERIALIZED (
            SELECT source.user_id AS user_id,
                   source.word_id AS word_id,
                   (least(5, coalesce(answer.correct, 0))::integer)::integer AS mastery_level,
                   (coalesce(answer.count, 0)::integer)::integer AS review_count,
                   ((ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5, coalesce(answer.correct,
                                                          0))])::integer AS interval_days,
                   (answer.last)::timestamptz AS last_review_date,
                   greatest(answer.last + (ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5,
                            coalesce(answer.correct, 0))]
                       * interval '1 day',
         CASE WHEN answer.last IS NOT NULL THEN now() + interval '1 day' END) AS next_review_date
            FROM ONLY %s AS source
            LEFT JOIN LATERAL (
                SELECT (count(*)), (count(*) FILTER (WHERE answer.is_correct)),
                    (max(answer.timestamp))
                FROM danci.answer_records AS answer
                WHERE source.user_id = answer.user_id
                  AND source.word_id = answer.word_id
                GROUP BY answer.user_id, answer.word_id
            ) AS answer (count, correct, last) ON true
            WHERE source.ctid >= $1 AND source.ctid < $2)
            INSERT INTO pgtandem_words.measured_target AS t
                (user_id, word_id, mastery_level, review_count, interval_days, last_review_date,
                 next_review_date)
            OVERRIDING SYSTEM VALUE
            SELECT i.user_id, i.word_id, i.mastery_level, i.review_count, i.interval_days,
                i.last_review_date, i.next_review_date
            FROM image AS i
            WHERE NOT EXISTS (SELECT FROM pgtandem_words.measured_target AS t
                              WHERE t.user_id = i.user_id AND t.word_id = i.word_id
                                AND NOT coalesce(i.last_review_date > t.last_review_date,
                                    i.last_review_date IS NOT NULL AND t.last_review_date IS NULL))
            ORDER BY i.user_id, i.word_id
            ON CONFLICT (user_id, word_id) DO UPDATE
                SET mastery_level = excluded.mastery_level,
                    review_count = excluded.review_count,
                    interval_days = excluded.interval_days,
                    last_review_date = excluded.last_review_date
                WHERE coalesce(excluded.last_review_date > t.last_review_date,
                               excluded.last_review_date IS NOT NULL AND t.last_review_date IS NULL)
        $merge$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_words.measure_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'words',
        'fee836745fc5b7b8b66bff7ff8b66d150c825359979a42c0f17bebfefbe55351',
        'danci.word_scores',
        'danci.word_learning_states',
        ARRAY['user_id', 'word_id']::text[],
        '{
  "sync": {
    "mode": "queued",
    "ways": "forward",
    "lock_timeout": "500ms",
    "truncate": "refuse"
  },
  "merge": {
    "wins": "newest",
    "by": "last_review_date"
  },
  "backfill": {
    "chunk_time": "200ms",
    "max_lag": "64MB",
    "max_slot": "4GB",
    "undo_limit": "10GB",
    "undo": true
  },
  "gate": {
    "signals": {},
    "sync_failure_percent": {},
    "differences_per_hour": {
      "hold": 5.0
    },
    "consistency_percent": {
      "roll_back_below": 99.0
    }
  },
  "contract": {
    "archive": "pgtandem_archive",
    "max_age": "1h",
    "max_old_reads": 100,
    "old_roles": [],
    "generated": {}
  }
}',
        '0.1.0'
    );
END;
$do$;

COMMIT;
