-- Deploy gear:gear_expand to pg
-- requires: gear_tables
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What gear_ops.gear_items should hold, as a view by key, and the comparison of the two. Nothing
-- writes yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_gear;
COMMENT ON SCHEMA pgtandem_gear IS
    'Rendered from the mapping "gear": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_gear.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_gear.compared(uuid, uuid);
DROP VIEW IF EXISTS pgtandem_gear.categories;
DROP VIEW IF EXISTS pgtandem_gear.image;
CREATE VIEW pgtandem_gear.image AS
SELECT source.id AS id,
       source.user_id AS user_id,
       source.name AS name,
       source.type AS category,
       source.brand AS brand,
       source.created_at AS created_at,
       'active' AS status,
       'personal' AS role,
       source.created_at AS updated_at
FROM user_core.old_equipment AS source;
COMMENT ON VIEW pgtandem_gear.image IS
    'What gear_ops.gear_items should hold, by key. Initial only: status, role, updated_at.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_gear.compared(
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
    SELECT jsonb_build_array(coalesce(t.id, i.id)),
           i.id IS NOT NULL OR t.id IS NULL,
           t.id IS NOT NULL,
           i.id IS NOT NULL AND t.id IS NOT NULL
               AND (i.user_id IS DISTINCT FROM t.user_id
                    OR i.name IS DISTINCT FROM t.name
                    OR i.category IS DISTINCT FROM t.category
                    OR i.brand IS DISTINCT FROM t.brand
                    OR i.created_at IS DISTINCT FROM t.created_at),
           array_remove(ARRAY[CASE WHEN i.user_id IS DISTINCT FROM t.user_id THEN 'user_id' END,
                              CASE WHEN i.name IS DISTINCT FROM t.name THEN 'name' END,
                              CASE WHEN i.category IS DISTINCT FROM t.category THEN 'category' END,
                              CASE WHEN i.brand IS DISTINCT FROM t.brand THEN 'brand' END,
                              CASE WHEN i.created_at IS DISTINCT FROM t.created_at
                              THEN 'created_at' END], NULL),
           jsonb_build_object('id', i.id::text, 'user_id', i.user_id::text, 'name', i.name::text,
                              'category', i.category::text, 'brand', i.brand::text,
                              'created_at', i.created_at::text),
           jsonb_build_object('id', t.id::text, 'user_id', t.user_id::text, 'name', t.name::text,
                              'category', t.category::text, 'brand', t.brand::text,
                              'created_at', t.created_at::text)
    FROM (SELECT id, user_id, name, category, brand, created_at
          FROM pgtandem_gear.image
          WHERE (p_low IS NULL OR id >= p_low)
            AND (p_high IS NULL OR id < p_high OR (p_low IS NULL AND id IS NULL))) AS i
    FULL JOIN (SELECT id, user_id, name, category, brand, created_at
               FROM gear_ops.gear_items
               WHERE (p_low IS NULL OR id >= p_low)
                 AND (p_high IS NULL OR id < p_high OR (p_low IS NULL AND id IS NULL))) AS t
      ON t.id = i.id;
END;
COMMENT ON FUNCTION pgtandem_gear.compared(uuid, uuid) IS
    'Every key of image and target in a range of id (from p_low, below p_high; NULL: no bound), '
    'on which side it is, and what differs. Source: the mapping "gear".';

CREATE FUNCTION pgtandem_gear.compared_keys(p_keys jsonb) RETURNS TABLE (
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
           i.id IS NOT NULL,
           t.id IS NOT NULL,
           i.id IS NOT NULL AND t.id IS NOT NULL
               AND (i.user_id IS DISTINCT FROM t.user_id
                    OR i.name IS DISTINCT FROM t.name
                    OR i.category IS DISTINCT FROM t.category
                    OR i.brand IS DISTINCT FROM t.brand
                    OR i.created_at IS DISTINCT FROM t.created_at),
           array_remove(ARRAY[CASE WHEN i.user_id IS DISTINCT FROM t.user_id THEN 'user_id' END,
                              CASE WHEN i.name IS DISTINCT FROM t.name THEN 'name' END,
                              CASE WHEN i.category IS DISTINCT FROM t.category THEN 'category' END,
                              CASE WHEN i.brand IS DISTINCT FROM t.brand THEN 'brand' END,
                              CASE WHEN i.created_at IS DISTINCT FROM t.created_at
                              THEN 'created_at' END], NULL),
           jsonb_build_object('id', i.id::text, 'user_id', i.user_id::text, 'name', i.name::text,
                              'category', i.category::text, 'brand', i.brand::text,
                              'created_at', i.created_at::text),
           jsonb_build_object('id', t.id::text, 'user_id', t.user_id::text, 'name', t.name::text,
                              'category', t.category::text, 'brand', t.brand::text,
                              'created_at', t.created_at::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    LEFT JOIN pgtandem_gear.image AS i
      ON i.id = (k.key ->> 0)::uuid
    LEFT JOIN gear_ops.gear_items AS t
      ON t.id = (k.key ->> 0)::uuid;
END;
COMMENT ON FUNCTION pgtandem_gear.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_gear.measure_chunk(
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
            SELECT source.id AS id,
                   source.user_id AS user_id,
                   source.name AS name,
                   source.type AS category,
                   source.brand AS brand,
                   source.created_at AS created_at,
                   'active' AS status,
                   'personal' AS role,
                   source.created_at AS updated_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
            FOR NO KEY UPDATE OF source)
            INSERT INTO pgtandem_gear.measured_target AS t
                (id, user_id, name, category, brand, created_at, status, role, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.id, i.user_id, i.name, i.category, i.brand, i.created_at, i.status, i.role,
                i.updated_at
            FROM image AS i
            ORDER BY i.id
            ON CONFLICT (id) DO UPDATE
                SET user_id = excluded.user_id,
                    name = excluded.name,
                    category = excluded.category,
                    brand = excluded.brand,
                    created_at = excluded.created_at
                WHERE t.user_id IS DISTINCT FROM excluded.user_id
                   OR t.name IS DISTINCT FROM excluded.name
                   OR t.category IS DISTINCT FROM excluded.category
                   OR t.brand IS DISTINCT FROM excluded.brand
                   OR t.created_at IS DISTINCT FROM excluded.created_at
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO pgtandem_gear.measured_target
                (id, user_id, name, category, brand, created_at, status, role, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.id,
                   source.user_id,
                   source.name,
                   source.type,
                   source.brand,
                   source.created_at,
                   'active',
                   'personal',
                   source.created_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
            ORDER BY source.id
        $insert$
        ELSE $skip$
            INSERT INTO pgtandem_gear.measured_target
                (id, user_id, name, category, brand, created_at, status, role, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.id,
                   source.user_id,
                   source.name,
                   source.type,
                   source.brand,
                   source.created_at,
                   'active',
                   'personal',
                   source.created_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND NOT EXISTS (SELECT FROM pgtandem_gear.measured_target AS t
                              WHERE t.id = source.id)
            ORDER BY source.id
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (id) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_gear.measure_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'gear',
        '373e1b796fb300fcbf1939201bb4457feba818ec39a25cbd2e39a091df82ed25',
        'user_core.old_equipment',
        'gear_ops.gear_items',
        ARRAY['id']::text[],
        '{
  "sync": {
    "mode": "record",
    "ways": "both",
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
    "signals": {
      "error_rate": {
        "roll_back": 1.0
      },
      "p99_ms": {
        "roll_back": 500.0
      }
    },
    "sync_failure_percent": {
      "hold": 1.0,
      "roll_back": 5.0
    },
    "differences_per_hour": {
      "hold": 5.0
    },
    "consistency_percent": {
      "roll_back_below": 99.0
    }
  },
  "contract": {
    "archive": "user_core_archive",
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
