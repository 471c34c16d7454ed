-- Deploy vibelife_v5:journey_expand to pg
-- requires: v5_columns
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
--
-- Rendered by pgtandem 0.1.0 from the mapping "journey", SHA-256 babeb2c3dddf5b25.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What vibelife.vibe_users should hold, as a view by key, and the comparison of the two. Nothing
-- writes yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_journey;
COMMENT ON SCHEMA pgtandem_journey IS
    'Rendered from the mapping "journey": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_journey.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_journey.compared(uuid, uuid);
DROP VIEW IF EXISTS pgtandem_journey.categories;
DROP VIEW IF EXISTS pgtandem_journey.image;
DROP VIEW IF EXISTS pgtandem_journey.image_of_key;
CREATE VIEW pgtandem_journey.image AS
SELECT source.vibe_id AS vibe_id,
       CASE WHEN message.days >= 60 AND payment.completed > 0 THEN 'symbiosis'
     WHEN message.days >= 14 AND payment.completed > 0 THEN 'dependence'
     WHEN message.days >= 3 THEN 'trust'
     WHEN message.days >= 1 THEN 'understanding'
     ELSE 'first_sight' END AS journey_stage,
       source.created_at AS journey_started_at,
       (message.last)::timestamp AS last_active_at
FROM vibelife.vibe_users AS source
LEFT JOIN (
    SELECT conversation.user_id, (count(DISTINCT message.created_at::date)),
        (max(message.created_at))
    FROM vibelife.messages AS message
    JOIN vibelife.conversations AS conversation ON conversation.id = message.conversation_id
    WHERE (message.role = 'user')
    GROUP BY 1
) AS message (pgtandem_1, days, last) ON message.pgtandem_1 = source.vibe_id
LEFT JOIN (
    SELECT payment.user_id, (count(*))
    FROM vibelife.payments AS payment
    WHERE (payment.status = 'completed')
    GROUP BY 1
) AS payment (pgtandem_1, completed) ON payment.pgtandem_1 = source.vibe_id;
COMMENT ON VIEW pgtandem_journey.image IS
    'What vibelife.vibe_users should hold, by key. Initial only: journey_stage, '
    'journey_started_at.';

CREATE VIEW pgtandem_journey.image_of_key AS
SELECT source.vibe_id AS vibe_id,
       CASE WHEN message.days >= 60 AND payment.completed > 0 THEN 'symbiosis'
     WHEN message.days >= 14 AND payment.completed > 0 THEN 'dependence'
     WHEN message.days >= 3 THEN 'trust'
     WHEN message.days >= 1 THEN 'understanding'
     ELSE 'first_sight' END AS journey_stage,
       source.created_at AS journey_started_at,
       (message.last)::timestamp AS last_active_at
FROM vibelife.vibe_users AS source
LEFT JOIN LATERAL (
    SELECT (count(DISTINCT message.created_at::date)), (max(message.created_at))
    FROM vibelife.messages AS message
    JOIN vibelife.conversations AS conversation ON conversation.id = message.conversation_id
    WHERE source.vibe_id = conversation.user_id
      AND (message.role = 'user')
    GROUP BY conversation.user_id
) AS message (days, last) ON true
LEFT JOIN LATERAL (
    SELECT (count(*))
    FROM vibelife.payments AS payment
    WHERE source.vibe_id = payment.user_id
      AND (payment.status = 'completed')
    GROUP BY payment.user_id
) AS payment (completed) ON true;
COMMENT ON VIEW pgtandem_journey.image_of_key IS
    'The same, for one key or a few: it reads the joined tables by index.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_journey.compared(
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
    SELECT jsonb_build_array(coalesce(t.vibe_id, i.vibe_id)),
           i.vibe_id IS NOT NULL OR t.vibe_id IS NULL,
           t.vibe_id IS NOT NULL,
           i.vibe_id IS NOT NULL AND t.vibe_id IS NOT NULL
               AND (i.last_active_at IS DISTINCT FROM t.last_active_at
                    OR ((SELECT journey_stage IS NULL OR journey_stage = 'encounter'
                        FROM (SELECT t.*) AS target) IS TRUE AND i.journey_stage
                        IS DISTINCT FROM t.journey_stage)
                    OR ((SELECT journey_started_at IS NULL FROM (SELECT t.*) AS target) IS TRUE
                        AND i.journey_started_at IS DISTINCT FROM t.journey_started_at)),
           array_remove(ARRAY[CASE WHEN i.last_active_at IS DISTINCT FROM t.last_active_at
                              THEN 'last_active_at' END,
                              CASE WHEN ((SELECT journey_stage IS NULL
                                  OR journey_stage = 'encounter' FROM (SELECT t.*) AS target)
                                  IS TRUE AND i.journey_stage IS DISTINCT FROM t.journey_stage)
                                  THEN 'journey_stage' END,
                              CASE WHEN ((SELECT journey_started_at IS NULL FROM (SELECT t.*)
                                  AS target) IS TRUE AND i.journey_started_at
                                  IS DISTINCT FROM t.journey_started_at)
                                  THEN 'journey_started_at' END], NULL),
           jsonb_build_object('vibe_id', i.vibe_id::text, 'journey_stage', i.journey_stage::text,
                              'journey_started_at', i.journey_started_at::text,
                              'last_active_at', i.last_active_at::text),
           jsonb_build_object('vibe_id', t.vibe_id::text, 'journey_stage', t.journey_stage::text,
                              'journey_started_at', t.journey_started_at::text,
                              'last_active_at', t.last_active_at::text)
    FROM (SELECT vibe_id, last_active_at, journey_stage, journey_started_at
          FROM pgtandem_journey.image
          WHERE (p_low IS NULL OR vibe_id >= p_low)
            AND (p_high IS NULL OR vibe_id < p_high OR (p_low IS NULL AND vibe_id IS NULL))) AS i
    LEFT JOIN vibelife.vibe_users AS t
      ON t.vibe_id = i.vibe_id;
END;
COMMENT ON FUNCTION pgtandem_journey.compared(uuid, uuid) IS
    'Every key of image and target in a range of vibe_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Source: the mapping "journey".';

CREATE FUNCTION pgtandem_journey.compared_keys(p_keys jsonb) RETURNS TABLE (
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
           i.vibe_id IS NOT NULL,
           t.vibe_id IS NOT NULL,
           i.vibe_id IS NOT NULL AND t.vibe_id IS NOT NULL
               AND (i.last_active_at IS DISTINCT FROM t.last_active_at
                    OR ((SELECT journey_stage IS NULL OR journey_stage = 'encounter'
                        FROM (SELECT t.*) AS target) IS TRUE AND i.journey_stage
                        IS DISTINCT FROM t.journey_stage)
                    OR ((SELECT journey_started_at IS NULL FROM (SELECT t.*) AS target) IS TRUE
                        AND i.journey_started_at IS DISTINCT FROM t.journey_started_at)),
           array_remove(ARRAY[CASE WHEN i.last_active_at IS DISTINCT FROM t.last_active_at
                              THEN 'last_active_at' END,
                              CASE WHEN ((SELECT journey_stage IS NULL
                                  OR journey_stage = 'encounter' FROM (SELECT t.*) AS target)
                                  IS TRUE AND i.journey_stage IS DISTINCT FROM t.journey_stage)
                                  THEN 'journey_stage' END,
                              CASE WHEN ((SELECT journey_started_at IS NULL FROM (SELECT t.*)
                                  AS target) IS TRUE AND i.journey_started_at
                                  IS DISTINCT FROM t.journey_started_at)
                                  THEN 'journey_started_at' END], NULL),
           jsonb_build_object('vibe_id', i.vibe_id::text, 'journey_stage', i.journey_stage::text,
                              'journey_started_at', i.journey_started_at::text,
                              'last_active_at', i.last_active_at::text),
           jsonb_build_object('vibe_id', t.vibe_id::text, 'journey_stage', t.journey_stage::text,
                              'journey_started_at', t.journey_started_at::text,
                              'last_active_at', t.last_active_at::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    -- OFFSET 0 keeps the planner from reading the tables as a whole for a few keys.
    LEFT JOIN LATERAL (SELECT * FROM pgtandem_journey.image_of_key AS i
                       WHERE i.vibe_id = (k.key ->> 0)::uuid
                       OFFSET 0) AS i ON true
    LEFT JOIN vibelife.vibe_users AS t
      ON t.vibe_id = (k.key ->> 0)::uuid
     AND i.vibe_id IS NOT NULL;
END;
COMMENT ON FUNCTION pgtandem_journey.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_journey.measure_chunk(
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
            UPDATE ONLY %s AS t
            SET last_active_at = i.last_active_at,
                journey_stage = CASE WHEN (SELECT journey_stage IS NULL
                    OR journey_stage = 'encounter' FROM (SELECT t.*) AS target) IS TRUE
                    THEN i.journey_stage ELSE t.journey_stage END,
                journey_started_at = CASE WHEN (SELECT journey_started_at IS NULL FROM (SELECT t.*)
                    AS target) IS TRUE THEN i.journey_started_at ELSE t.journey_started_at END
            FROM (
                SELECT source.vibe_id AS vibe_id,
                       (message.last)::timestamp AS last_active_at,
                       CASE WHEN message.days >= 60 AND payment.completed > 0 THEN 'symbiosis'
     WHEN message.days >= 14 AND payment.completed > 0 THEN 'dependence'
     WHEN message.days >= 3 THEN 'trust'
     WHEN message.days >= 1 THEN 'understanding'
     ELSE 'first_sight' END AS journey_stage,
                       source.created_at AS journey_started_at
                FROM ONLY %s AS source
                LEFT JOIN LATERAL (
                    SELECT (count(DISTINCT message.created_at::date)), (max(message.created_at))
                    FROM vibelife.messages AS message
                    JOIN vibelife.conversations AS conversation
                        ON conversation.id = message.conversation_id
                    WHERE source.vibe_id = conversation.user_id
                      AND (message.role = 'user')
                    GROUP BY conversation.user_id
                ) AS message (days, last) ON true
                LEFT JOIN LATERAL (
                    SELECT (count(*))
                    FROM vibelife.payments AS payment
                    WHERE source.vibe_id = payment.user_id
                      AND (payment.status = 'completed')
                    GROUP BY payment.user_id
                ) AS payment (completed) ON true
                WHERE source.ctid >= $1 AND source.ctid < $2
            ) AS i
            WHERE t.vibe_id = i.vibe_id
              AND (i.last_active_at IS DISTINCT FROM t.last_active_at
                   OR ((SELECT journey_stage IS NULL OR journey_stage = 'encounter'
                       FROM (SELECT t.*) AS target) IS TRUE AND i.journey_stage
                       IS DISTINCT FROM t.journey_stage)
                   OR ((SELECT journey_started_at IS NULL FROM (SELECT t.*) AS target) IS TRUE
                       AND i.journey_started_at IS DISTINCT FROM t.journey_started_at))
        $bring_up$, p_relation, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_journey.measure_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'journey',
        'babeb2c3dddf5b25d1d69a3bbc81e033a3146af85c144076c79a6ef357021355',
        'vibelife.vibe_users',
        'vibelife.vibe_users',
        ARRAY['vibe_id']::text[],
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
