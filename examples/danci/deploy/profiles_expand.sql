-- Deploy danci:profiles_expand to pg
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
--
-- Rendered by pgtandem 0.1.0 from the mapping "profiles", SHA-256 dd5660c2f7fb8aa9.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What danci.user_learning_profiles should hold, as a view by key, and the comparison of the
-- two. Nothing writes yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_profiles;
COMMENT ON SCHEMA pgtandem_profiles IS
    'Rendered from the mapping "profiles": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_profiles.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_profiles.compared(uuid, uuid);
DROP VIEW IF EXISTS pgtandem_profiles.categories;
DROP VIEW IF EXISTS pgtandem_profiles.image;
CREATE VIEW pgtandem_profiles.image AS
SELECT source.user_id AS user_id,
       source.attention AS attention,
       source.fatigue AS fatigue,
       source.motivation AS motivation,
       ((cognitive ->> 'memory')::double precision)::double precision AS memory,
       ((cognitive ->> 'speed')::double precision)::double precision AS speed,
       ((cognitive ->> 'stability')::double precision)::double precision AS stability,
       source.trend AS trend,
       source.created_at AS created_at,
       source.updated_at AS updated_at
FROM danci.amas_user_states AS source;
COMMENT ON VIEW pgtandem_profiles.image IS
    'What danci.user_learning_profiles should hold, by key. Initial only: created_at.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_profiles.compared(
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
    SELECT jsonb_build_array(coalesce(t.user_id, i.user_id)),
           i.user_id IS NOT NULL OR t.user_id IS NULL,
           t.user_id IS NOT NULL,
           i.user_id IS NOT NULL AND t.user_id IS NOT NULL
               AND coalesce(i.updated_at > t.updated_at,
                            i.updated_at IS NOT NULL AND t.updated_at IS NULL),
           array_remove(ARRAY[CASE WHEN i.attention IS DISTINCT FROM t.attention
                              THEN 'attention' END,
                              CASE WHEN i.fatigue IS DISTINCT FROM t.fatigue THEN 'fatigue' END,
                              CASE WHEN i.motivation IS DISTINCT FROM t.motivation
                                  THEN 'motivation' END,
                              CASE WHEN i.memory IS DISTINCT FROM t.memory THEN 'memory' END,
                              CASE WHEN i.speed IS DISTINCT FROM t.speed THEN 'speed' END,
                              CASE WHEN i.stability IS DISTINCT FROM t.stability
                                  THEN 'stability' END,
                              CASE WHEN i.trend IS DISTINCT FROM t.trend THEN 'trend' END,
                              CASE WHEN i.updated_at IS DISTINCT FROM t.updated_at
                              THEN 'updated_at' END], NULL),
           jsonb_build_object('user_id', i.user_id::text, 'attention', i.attention::text,
                              'fatigue', i.fatigue::text, 'motivation', i.motivation::text,
                              'memory', i.memory::text, 'speed', i.speed::text,
                              'stability', i.stability::text, 'trend', i.trend::text,
                              'updated_at', i.updated_at::text),
           jsonb_build_object('user_id', t.user_id::text, 'attention', t.attention::text,
                              'fatigue', t.fatigue::text, 'motivation', t.motivation::text,
                              'memory', t.memory::text, 'speed', t.speed::text,
                              'stability', t.stability::text, 'trend', t.trend::text,
                              'updated_at', t.updated_at::text)
    FROM (SELECT user_id, attention, fatigue, motivation, memory, speed, stability, trend,
          updated_at
          FROM pgtandem_profiles.image
          WHERE (p_low IS NULL OR user_id >= p_low)
            AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL))) AS i
    LEFT JOIN (SELECT user_id, attention, fatigue, motivation, memory, speed, stability, trend,
               updated_at
               FROM danci.user_learning_profiles
               WHERE (p_low IS NULL OR user_id >= p_low)
                 AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL)))
                     AS t
      ON t.user_id = i.user_id;
END;
COMMENT ON FUNCTION pgtandem_profiles.compared(uuid, uuid) IS
    'Every key of image and target in a range of user_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Changed: the image wins; rows that only the '
    'target has are left out. Source: the mapping "profiles".';

CREATE FUNCTION pgtandem_profiles.compared_keys(p_keys jsonb) RETURNS TABLE (
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
               AND coalesce(i.updated_at > t.updated_at,
                            i.updated_at IS NOT NULL AND t.updated_at IS NULL),
           array_remove(ARRAY[CASE WHEN i.attention IS DISTINCT FROM t.attention
                              THEN 'attention' END,
                              CASE WHEN i.fatigue IS DISTINCT FROM t.fatigue THEN 'fatigue' END,
                              CASE WHEN i.motivation IS DISTINCT FROM t.motivation
                                  THEN 'motivation' END,
                              CASE WHEN i.memory IS DISTINCT FROM t.memory THEN 'memory' END,
                              CASE WHEN i.speed IS DISTINCT FROM t.speed THEN 'speed' END,
                              CASE WHEN i.stability IS DISTINCT FROM t.stability
                                  THEN 'stability' END,
                              CASE WHEN i.trend IS DISTINCT FROM t.trend THEN 'trend' END,
                              CASE WHEN i.updated_at IS DISTINCT FROM t.updated_at
                              THEN 'updated_at' END], NULL),
           jsonb_build_object('user_id', i.user_id::text, 'attention', i.attention::text,
                              'fatigue', i.fatigue::text, 'motivation', i.motivation::text,
                              'memory', i.memory::text, 'speed', i.speed::text,
                              'stability', i.stability::text, 'trend', i.trend::text,
                              'updated_at', i.updated_at::text),
           jsonb_build_object('user_id', t.user_id::text, 'attention', t.attention::text,
                              'fatigue', t.fatigue::text, 'motivation', t.motivation::text,
                              'memory', t.memory::text, 'speed', t.speed::text,
                              'stability', t.stability::text, 'trend', t.trend::text,
                              'updated_at', t.updated_at::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    LEFT JOIN pgtandem_profiles.image AS i
      ON i.user_id = (k.key ->> 0)::uuid
    LEFT JOIN danci.user_learning_profiles AS t
      ON t.user_id = (k.key ->> 0)::uuid
     AND i.user_id IS NOT NULL;
END;
COMMENT ON FUNCTION pgtandem_profiles.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_profiles.measure_chunk(
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
                   source.attention AS attention,
                   source.fatigue AS fatigue,
                   source.motivation AS motivation,
                   ((cognitive ->> 'memory')::double precision)::double precision AS memory,
                   ((cognitive ->> 'speed')::double precision)::double precision AS speed,
                   ((cognitive ->> 'stability')::double precision)::double precision AS stability,
                   source.trend AS trend,
                   source.created_at AS created_at,
                   source.updated_at AS updated_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2)
            INSERT INTO pgtandem_profiles.measured_target AS t
                (user_id, attention, fatigue, motivation, memory, speed, stability, trend,
                 created_at, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.user_id, i.attention, i.fatigue, i.motivation, i.memory, i.speed, i.stability,
                i.trend, i.created_at, i.updated_at
            FROM image AS i
            WHERE NOT EXISTS (SELECT FROM pgtandem_profiles.measured_target AS t
                              WHERE t.user_id = i.user_id
                                AND NOT coalesce(i.updated_at > t.updated_at,
                                                 i.updated_at IS NOT NULL AND t.updated_at IS NULL))
            ORDER BY i.user_id
            ON CONFLICT (user_id) DO UPDATE
                SET attention = excluded.attention,
                    fatigue = excluded.fatigue,
                    motivation = excluded.motivation,
                    memory = excluded.memory,
                    speed = excluded.speed,
                    stability = excluded.stability,
                    trend = excluded.trend,
                    updated_at = excluded.updated_at
                WHERE coalesce(excluded.updated_at > t.updated_at,
                               excluded.updated_at IS NOT NULL AND t.updated_at IS NULL)
        $merge$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_profiles.measure_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_profiles.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'profiles',
        'dd5660c2f7fb8aa956a39879f3ac574bb822a0b421314845d23e5ee1e6a2d178',
        'danci.amas_user_states',
        'danci.user_learning_profiles',
        ARRAY['user_id']::text[],
        '{
  "sync": {
    "mode": "queued",
    "ways": "forward",
    "lock_timeout": "500ms",
    "truncate": "refuse"
  },
  "merge": {
    "wins": "newest",
    "by": "updated_at"
  },
  "backfill": {
    "chunk_time": "200ms",
    "max_lag": "64MB",
    "max_slot": "4GB",
    "undo_limit": "10GB",
    "undo": true
  },
  "gate": {
    "signals": {
      "affected_percent": {
        "hold": 1.0,
        "roll_back": 10.0
      },
      "damaged_rows": {
        "roll_back": 0.0
      }
    },
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
