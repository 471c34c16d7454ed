-- Deploy vibelife_v5:dimensions_expand to pg
-- requires: v5_tables
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
--
-- Rendered by pgtandem 0.1.0 from the mapping "dimensions", SHA-256 eb395e273c45a219.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What vibelife.dimension_profiles should hold, as a view by key, and the comparison of the two.
-- Nothing writes yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_dimensions;
COMMENT ON SCHEMA pgtandem_dimensions IS
    'Rendered from the mapping "dimensions": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_dimensions.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_dimensions.compared(uuid, uuid);
DROP VIEW IF EXISTS pgtandem_dimensions.categories;
DROP VIEW IF EXISTS pgtandem_dimensions.image;
CREATE VIEW pgtandem_dimensions.image AS
SELECT source.user_id AS user_id,
       (part.key)::varchar AS dimension_type,
       (part.value)::jsonb AS raw_data,
       true AS is_unlocked,
       source.created_at AS unlocked_at
FROM vibelife.user_profiles AS source
CROSS JOIN LATERAL (SELECT key, value FROM jsonb_each(CASE jsonb_typeof(profile_data) WHEN 'object'
                                                      THEN profile_data END) WHERE key IN ('bazi',
                                                      'zodiac') AND value <> 'null') AS part;
COMMENT ON VIEW pgtandem_dimensions.image IS
    'What vibelife.dimension_profiles should hold, by key. Initial only: is_unlocked, unlocked_at.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_dimensions.compared(
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
    SELECT jsonb_build_array(coalesce(t.user_id, i.user_id), coalesce(t.dimension_type,
                             i.dimension_type)),
           i.user_id IS NOT NULL OR t.user_id IS NULL,
           t.user_id IS NOT NULL,
           i.user_id IS NOT NULL AND t.user_id IS NOT NULL
               AND (i.raw_data IS DISTINCT FROM t.raw_data),
           array_remove(ARRAY[CASE WHEN i.raw_data IS DISTINCT FROM t.raw_data THEN 'raw_data' END],
                        NULL),
           jsonb_build_object('user_id', i.user_id::text, 'dimension_type', i.dimension_type::text,
                              'raw_data', i.raw_data::text),
           jsonb_build_object('user_id', t.user_id::text, 'dimension_type', t.dimension_type::text,
                              'raw_data', t.raw_data::text)
    FROM (SELECT user_id, dimension_type, raw_data
          FROM pgtandem_dimensions.image
          WHERE (p_low IS NULL OR user_id >= p_low)
            AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL))) AS i
    FULL JOIN (SELECT user_id, dimension_type, raw_data
               FROM vibelife.dimension_profiles
               WHERE (p_low IS NULL OR user_id >= p_low)
                 AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL))
                 AND (dimension_type IN ('bazi', 'zodiac'))) AS t
      ON t.user_id = i.user_id AND t.dimension_type = i.dimension_type;
END;
COMMENT ON FUNCTION pgtandem_dimensions.compared(uuid, uuid) IS
    'Every key of image and target in a range of user_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Source: the mapping "dimensions".';

CREATE FUNCTION pgtandem_dimensions.compared_keys(p_keys jsonb) RETURNS TABLE (
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
               AND (i.raw_data IS DISTINCT FROM t.raw_data),
           array_remove(ARRAY[CASE WHEN i.raw_data IS DISTINCT FROM t.raw_data THEN 'raw_data' END],
                        NULL),
           jsonb_build_object('user_id', i.user_id::text, 'dimension_type', i.dimension_type::text,
                              'raw_data', i.raw_data::text),
           jsonb_build_object('user_id', t.user_id::text, 'dimension_type', t.dimension_type::text,
                              'raw_data', t.raw_data::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    -- OFFSET 0 keeps the planner from reading the tables as a whole for a few keys.
    LEFT JOIN LATERAL (SELECT * FROM pgtandem_dimensions.image AS i
                       WHERE i.user_id = (k.key ->> 0)::uuid
                           AND i.dimension_type = (k.key ->> 1)::varchar(20)
                       OFFSET 0) AS i ON true
    LEFT JOIN (SELECT user_id,
                      dimension_type,
                      raw_data
               FROM vibelife.dimension_profiles
               WHERE (dimension_type IN ('bazi', 'zodiac'))) AS t
      ON t.user_id = (k.key ->> 0)::uuid AND t.dimension_type = (k.key ->> 1)::varchar(20);
END;
COMMENT ON FUNCTION pgtandem_dimensions.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_dimensions.measure_chunk(
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
    EXECUTE format(CASE p_strategy
        WHEN 'overwrite' THEN $overwrite$
            -- The lock makes the value read the value current at the write.
            WITH image AS MATERIALIZED (
            SELECT source.user_id AS user_id,
                   (part.key)::varchar AS dimension_type,
                   (part.value)::jsonb AS raw_data,
                   true AS is_unlocked,
                   source.created_at AS unlocked_at
            FROM ONLY %s AS source
            CROSS JOIN LATERAL (SELECT key,
                value FROM jsonb_each(CASE jsonb_typeof(profile_data) WHEN 'object'
                                      THEN profile_data END) WHERE key IN ('bazi',
                                      'zodiac') AND value <> 'null') AS part
            WHERE source.ctid >= $1 AND source.ctid < $2
            FOR NO KEY UPDATE OF source)
            INSERT INTO pgtandem_dimensions.measured_target AS t
                (user_id, dimension_type, raw_data, is_unlocked, unlocked_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.user_id, i.dimension_type, i.raw_data, i.is_unlocked, i.unlocked_at
            FROM image AS i
            ORDER BY i.user_id, i.dimension_type
            ON CONFLICT (user_id, dimension_type) DO UPDATE
                SET raw_data = excluded.raw_data
                WHERE t.raw_data IS DISTINCT FROM excluded.raw_data
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO pgtandem_dimensions.measured_target
                (user_id, dimension_type, raw_data, is_unlocked, unlocked_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.user_id,
                   (part.key)::varchar,
                   (part.value)::jsonb,
                   true,
                   source.created_at
            FROM ONLY %s AS source
            CROSS JOIN LATERAL (SELECT key,
                value FROM jsonb_each(CASE jsonb_typeof(profile_data) WHEN 'object'
                                      THEN profile_data END) WHERE key IN ('bazi',
                                      'zodiac') AND value <> 'null') AS part
            WHERE source.ctid >= $1 AND source.ctid < $2
            ORDER BY source.user_id, (part.key)::varchar
        $insert$
        ELSE $skip$
            INSERT INTO pgtandem_dimensions.measured_target
                (user_id, dimension_type, raw_data, is_unlocked, unlocked_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.user_id,
                   (part.key)::varchar,
                   (part.value)::jsonb,
                   true,
                   source.created_at
            FROM ONLY %s AS source
            CROSS JOIN LATERAL (SELECT key,
                value FROM jsonb_each(CASE jsonb_typeof(profile_data) WHEN 'object'
                                      THEN profile_data END) WHERE key IN ('bazi',
                                      'zodiac') AND value <> 'null') AS part
            -- Computed here, where no column of the target is in sight.
            CROSS JOIN LATERAL (SELECT (part.key)::varchar AS pgtandem_1) AS pgtandem_key
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND NOT EXISTS (SELECT FROM pgtandem_dimensions.measured_target AS t
                              WHERE t.user_id = source.user_id
                              AND t.dimension_type = pgtandem_key.pgtandem_1)
            ORDER BY source.user_id, (part.key)::varchar
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (user_id, dimension_type) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_dimensions.measure_chunk(regclass, bigint, bigint,
                                                         text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_dimensions.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'dimensions',
        'eb395e273c45a21931fc8ff1ea70e313dd936e9da0aeb0578c7c4a3605c4af77',
        'vibelife.user_profiles',
        'vibelife.dimension_profiles',
        ARRAY['user_id', 'dimension_type']::text[],
        '{
  "sync": {
    "mode": "queued",
    "ways": "forward",
    "lock_timeout": "500ms",
    "truncate": "refuse"
  },
  "backfill": {
    "chunk_time": "200ms",
    "max_lag": "64MB",
    "max_slot": "4GB",
    "undo_limit": "10GB",
    "undo": false
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
  },
  "unit": 1
}',
        '0.1.0'
    );
END;
$do$;

COMMIT;
