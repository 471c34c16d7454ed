-- Deploy danci:reviews_expand to pg
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
--
-- Rendered by pgtandem 0.1.0 from the mapping "reviews", SHA-256 0edc86a612bd6546.
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

CREATE SCHEMA IF NOT EXISTS pgtandem_reviews;
COMMENT ON SCHEMA pgtandem_reviews IS
    'Rendered from the mapping "reviews": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_reviews.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_reviews.compared(uuid, uuid);
DROP VIEW IF EXISTS pgtandem_reviews.categories;
DROP VIEW IF EXISTS pgtandem_reviews.image;
CREATE VIEW pgtandem_reviews.image AS
SELECT source.user_id AS user_id,
       source.word_id AS word_id,
       greatest(last_review_date + interval_days * interval '1 day',
                now() + interval '1 day') AS next_review_date
FROM danci.word_learning_states AS source;
COMMENT ON VIEW pgtandem_reviews.image IS
    'What danci.word_learning_states should hold, by key. Initial only: next_review_date.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_reviews.compared(
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
               AND (((SELECT next_review_date IS NULL AND last_review_date IS NOT NULL
                   OR next_review_date < now() FROM (SELECT t.*) AS target) IS TRUE
                   AND i.next_review_date IS DISTINCT FROM t.next_review_date)),
           array_remove(ARRAY[CASE WHEN ((SELECT next_review_date IS NULL AND last_review_date
               IS NOT NULL OR next_review_date < now() FROM (SELECT t.*) AS target) IS TRUE
               AND i.next_review_date IS DISTINCT FROM t.next_review_date)
               THEN 'next_review_date' END], NULL),
           jsonb_build_object('user_id', i.user_id::text, 'word_id', i.word_id::text,
                              'next_review_date', i.next_review_date::text),
           jsonb_build_object('user_id', t.user_id::text, 'word_id', t.word_id::text,
                              'next_review_date', t.next_review_date::text)
    FROM (SELECT user_id, word_id, next_review_date
          FROM pgtandem_reviews.image
          WHERE (p_low IS NULL OR user_id >= p_low)
            AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL))) AS i
    LEFT JOIN danci.word_learning_states AS t
      ON t.user_id = i.user_id AND t.word_id = i.word_id;
END;
COMMENT ON FUNCTION pgtandem_reviews.compared(uuid, uuid) IS
    'Every key of image and target in a range of user_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Source: the mapping "reviews".';

CREATE FUNCTION pgtandem_reviews.compared_keys(p_keys jsonb) RETURNS TABLE (
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
               AND (((SELECT next_review_date IS NULL AND last_review_date IS NOT NULL
                   OR next_review_date < now() FROM (SELECT t.*) AS target) IS TRUE
                   AND i.next_review_date IS DISTINCT FROM t.next_review_date)),
           array_remove(ARRAY[CASE WHEN ((SELECT next_review_date IS NULL AND last_review_date
               IS NOT NULL OR next_review_date < now() FROM (SELECT t.*) AS target) IS TRUE
               AND i.next_review_date IS DISTINCT FROM t.next_review_date)
               THEN 'next_review_date' END], NULL),
           jsonb_build_object('user_id', i.user_id::text, 'word_id', i.word_id::text,
                              'next_review_date', i.next_review_date::text),
           jsonb_build_object('user_id', t.user_id::text, 'word_id', t.word_id::text,
                              'next_review_date', t.next_review_date::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    LEFT JOIN pgtandem_reviews.image AS i
      ON i.user_id = (k.key ->> 0)::uuid AND i.word_id = (k.key ->> 1)::integer
    LEFT JOIN danci.word_learning_states AS t
      ON t.user_id = (k.key ->> 0)::uuid AND t.word_id = (k.key ->> 1)::integer
     AND i.user_id IS NOT NULL;
END;
COMMENT ON FUNCTION pgtandem_reviews.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE VIEW pgtandem_reviews.categories AS
SELECT jsonb_build_array(source.user_id, source.word_id) AS key,
       CASE WHEN (next_review_date IS NULL AND last_review_date IS NOT NULL) THEN 'never set'
 WHEN (next_review_date < now()) THEN 'in the past'
ELSE 'other' END AS category
FROM danci.word_learning_states AS source;
COMMENT ON VIEW pgtandem_reviews.categories IS
    'The category of each row of the image, by key as in compared(): for plan and verify.';
DO $do$
BEGIN
    PERFORM pgtandem.require_reads('pgtandem_reviews.categories', 'danci.word_learning_states',
                                  ARRAY['user_id', 'word_id', 'interval_days', 'last_review_date',
                                        'next_review_date']::text[]);
END;
$do$;

CREATE OR REPLACE FUNCTION pgtandem_reviews.measure_chunk(
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
    EXECUTE format($bring_up$
            UPDATE ONLY %s AS source
            SET next_review_date = CASE WHEN (SELECT next_review_date IS NULL AND last_review_date
                IS NOT NULL OR next_review_date < now() FROM (SELECT source.*) AS target) IS TRUE
                THEN greatest(last_review_date + interval_days * interval '1 day',
                              now() + interval '1 day') ELSE source.next_review_date END
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (((SELECT next_review_date IS NULL AND last_review_date IS NOT NULL
                  OR next_review_date < now() FROM (SELECT source.*) AS target) IS TRUE
                  AND greatest(last_review_date + interval_days * interval '1 day',
                               now() + interval '1 day') IS DISTINCT FROM source.next_review_date))
        $bring_up$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_reviews.measure_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'reviews',
        '0edc86a612bd654654dc221cbaca2083e8f0440ddc579f280f22330ad6fce23b',
        'danci.word_learning_states',
        'danci.word_learning_states',
        ARRAY['user_id', 'word_id']::text[],
        '{
  "sync": {
    "mode": "record",
    "ways": "none",
    "lock_timeout": "500ms",
    "truncate": "refuse"
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
    "differences_per_hour": {},
    "consistency_percent": {}
  },
  "contract": {
    "archive": "pgtandem_archive",
    "max_age": "1h",
    "max_old_reads": 100,
    "old_roles": [],
    "generated": {}
  },
  "categories": [
    "never set",
    "in the past",
    "other"
  ]
}',
        '0.1.0'
    );
END;
$do$;

COMMIT;
