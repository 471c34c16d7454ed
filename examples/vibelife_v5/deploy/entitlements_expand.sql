-- Deploy vibelife_v5:entitlements_expand to pg
-- requires: v5_tables
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
--
-- Rendered by pgtandem 0.1.0 from the mapping "entitlements", SHA-256 a200350507da86f8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What vibelife.user_entitlements should hold, as a view by key, and the comparison of the two.
-- Nothing writes yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_entitlements;
COMMENT ON SCHEMA pgtandem_entitlements IS
    'Rendered from the mapping "entitlements": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_entitlements.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_entitlements.compared(uuid, uuid);
DROP VIEW IF EXISTS pgtandem_entitlements.categories;
DROP VIEW IF EXISTS pgtandem_entitlements.image;
DROP VIEW IF EXISTS pgtandem_entitlements.image_of_key;
CREATE VIEW pgtandem_entitlements.image AS
SELECT source.vibe_id AS user_id,
       (CASE WHEN subscription.plan_type = 'monthly' THEN 'L2'
     WHEN subscription.id IS NOT NULL THEN 'L3'
     WHEN payment.completed > 0 THEN 'L1'
     ELSE 'L0' END)::varchar AS current_tier,
       (subscription.id)::uuid AS subscription_id,
       (subscription.expires_at)::timestamp AS tier_expires_at
FROM vibelife.vibe_users AS source
LEFT JOIN (
    SELECT DISTINCT ON (subscription.user_id) subscription.user_id, (subscription.id),
        (subscription.plan_type), (subscription.expires_at)
    FROM vibelife.subscriptions AS subscription
    WHERE (subscription.status = 'active')
    ORDER BY subscription.user_id, subscription.plan_type = 'monthly',
        subscription.expires_at DESC NULLS FIRST, subscription.id,
        subscription.plan_type COLLATE "C", subscription.expires_at
) AS subscription (pgtandem_1, id, plan_type,
                   expires_at) ON subscription.pgtandem_1 = source.vibe_id
LEFT JOIN (
    SELECT payment.user_id, (count(*))
    FROM vibelife.payments AS payment
    WHERE (payment.status = 'completed')
    GROUP BY 1
) AS payment (pgtandem_1, completed) ON payment.pgtandem_1 = source.vibe_id;
COMMENT ON VIEW pgtandem_entitlements.image IS
    'What vibelife.user_entitlements should hold, by key.';

CREATE VIEW pgtandem_entitlements.image_of_key AS
SELECT source.vibe_id AS user_id,
       (CASE WHEN subscription.plan_type = 'monthly' THEN 'L2'
     WHEN subscription.id IS NOT NULL THEN 'L3'
     WHEN payment.completed > 0 THEN 'L1'
     ELSE 'L0' END)::varchar AS current_tier,
       (subscription.id)::uuid AS subscription_id,
       (subscription.expires_at)::timestamp AS tier_expires_at
FROM vibelife.vibe_users AS source
LEFT JOIN LATERAL (
    SELECT (subscription.id), (subscription.plan_type), (subscription.expires_at)
    FROM vibelife.subscriptions AS subscription
    WHERE source.vibe_id = subscription.user_id
      AND (subscription.status = 'active')
    ORDER BY subscription.plan_type = 'monthly', subscription.expires_at DESC NULLS FIRST,
        subscription.id, subscription.plan_type COLLATE "C", subscription.expires_at
    LIMIT 1
) AS subscription (id, plan_type, expires_at) ON true
LEFT JOIN LATERAL (
    SELECT (count(*))
    FROM vibelife.payments AS payment
    WHERE source.vibe_id = payment.user_id
      AND (payment.status = 'completed')
    GROUP BY payment.user_id
) AS payment (completed) ON true;
COMMENT ON VIEW pgtandem_entitlements.image_of_key IS
    'The same, for one key or a few: it reads the joined tables by index.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_entitlements.compared(
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
               AND (i.current_tier IS DISTINCT FROM t.current_tier
                    OR i.subscription_id IS DISTINCT FROM t.subscription_id
                    OR i.tier_expires_at IS DISTINCT FROM t.tier_expires_at),
           array_remove(ARRAY[CASE WHEN i.current_tier IS DISTINCT FROM t.current_tier
                              THEN 'current_tier' END,
                              CASE WHEN i.subscription_id IS DISTINCT FROM t.subscription_id
                                  THEN 'subscription_id' END,
                              CASE WHEN i.tier_expires_at IS DISTINCT FROM t.tier_expires_at
                              THEN 'tier_expires_at' END], NULL),
           jsonb_build_object('user_id', i.user_id::text, 'current_tier', i.current_tier::text,
                              'subscription_id', i.subscription_id::text,
                              'tier_expires_at', i.tier_expires_at::text),
           jsonb_build_object('user_id', t.user_id::text, 'current_tier', t.current_tier::text,
                              'subscription_id', t.subscription_id::text,
                              'tier_expires_at', t.tier_expires_at::text)
    FROM (SELECT user_id, current_tier, subscription_id, tier_expires_at
          FROM pgtandem_entitlements.image
          WHERE (p_low IS NULL OR user_id >= p_low)
            AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL))) AS i
    FULL JOIN (SELECT user_id, current_tier, subscription_id, tier_expires_at
               FROM vibelife.user_entitlements
               WHERE (p_low IS NULL OR user_id >= p_low)
                 AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL)))
                     AS t
      ON t.user_id = i.user_id;
END;
COMMENT ON FUNCTION pgtandem_entitlements.compared(uuid, uuid) IS
    'Every key of image and target in a range of user_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Source: the mapping "entitlements".';

CREATE FUNCTION pgtandem_entitlements.compared_keys(p_keys jsonb) RETURNS TABLE (
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
               AND (i.current_tier IS DISTINCT FROM t.current_tier
                    OR i.subscription_id IS DISTINCT FROM t.subscription_id
                    OR i.tier_expires_at IS DISTINCT FROM t.tier_expires_at),
           array_remove(ARRAY[CASE WHEN i.current_tier IS DISTINCT FROM t.current_tier
                              THEN 'current_tier' END,
                              CASE WHEN i.subscription_id IS DISTINCT FROM t.subscription_id
                                  THEN 'subscription_id' END,
                              CASE WHEN i.tier_expires_at IS DISTINCT FROM t.tier_expires_at
                              THEN 'tier_expires_at' END], NULL),
           jsonb_build_object('user_id', i.user_id::text, 'current_tier', i.current_tier::text,
                              'subscription_id', i.subscription_id::text,
                              'tier_expires_at', i.tier_expires_at::text),
           jsonb_build_object('user_id', t.user_id::text, 'current_tier', t.current_tier::text,
                              'subscription_id', t.subscription_id::text,
                              'tier_expires_at', t.tier_expires_at::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    -- OFFSET 0 keeps the planner from reading the tables as a whole for a few keys.
    LEFT JOIN LATERAL (SELECT * FROM pgtandem_entitlements.image_of_key AS i
                       WHERE i.user_id = (k.key ->> 0)::uuid
                       OFFSET 0) AS i ON true
    LEFT JOIN vibelife.user_entitlements AS t
      ON t.user_id = (k.key ->> 0)::uuid;
END;
COMMENT ON FUNCTION pgtandem_entitlements.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_entitlements.measure_chunk(
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
            SELECT source.vibe_id AS user_id,
                   (CASE WHEN subscription.plan_type = 'monthly' THEN 'L2'
     WHEN subscription.id IS NOT NULL THEN 'L3'
     WHEN payment.completed > 0 THEN 'L1'
     ELSE 'L0' END)::varchar AS current_tier,
                   (subscription.id)::uuid AS subscription_id,
                   (subscription.expires_at)::timestamp AS tier_expires_at
            FROM ONLY %s AS source
            LEFT JOIN LATERAL (
                SELECT (subscription.id), (subscription.plan_type), (subscription.expires_at)
                FROM vibelife.subscriptions AS subscription
                WHERE source.vibe_id = subscription.user_id
                  AND (subscription.status = 'active')
                ORDER BY subscription.plan_type = 'monthly',
                    subscription.expires_at DESC NULLS FIRST, subscription.id,
                    subscription.plan_type COLLATE "C", subscription.expires_at
                LIMIT 1
            ) AS subscription (id, plan_type, expires_at) ON true
            LEFT JOIN LATERAL (
                SELECT (count(*))
                FROM vibelife.payments AS payment
                WHERE source.vibe_id = payment.user_id
                  AND (payment.status = 'completed')
                GROUP BY payment.user_id
            ) AS payment (completed) ON true
            WHERE source.ctid >= $1 AND source.ctid < $2
            FOR NO KEY UPDATE OF source)
            INSERT INTO pgtandem_entitlements.measured_target AS t
                (user_id, current_tier, subscription_id, tier_expires_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.user_id, i.current_tier, i.subscription_id, i.tier_expires_at
            FROM image AS i
            ORDER BY i.user_id
            ON CONFLICT (user_id) DO UPDATE
                SET current_tier = excluded.current_tier,
                    subscription_id = excluded.subscription_id,
                    tier_expires_at = excluded.tier_expires_at
                WHERE t.current_tier IS DISTINCT FROM excluded.current_tier
                   OR t.subscription_id IS DISTINCT FROM excluded.subscription_id
                   OR t.tier_expires_at IS DISTINCT FROM excluded.tier_expires_at
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO pgtandem_entitlements.measured_target
                (user_id, current_tier, subscription_id, tier_expires_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.vibe_id,
                   (CASE WHEN subscription.plan_type = 'monthly' THEN 'L2'
     WHEN subscription.id IS NOT NULL THEN 'L3'
     WHEN payment.completed > 0 THEN 'L1'
     ELSE 'L0' END)::varchar,
                   (subscription.id)::uuid,
                   (subscription.expires_at)::timestamp
            FROM ONLY %s AS source
            LEFT JOIN LATERAL (
                SELECT (subscription.id), (subscription.plan_type), (subscription.expires_at)
                FROM vibelife.subscriptions AS subscription
                WHERE source.vibe_id = subscription.user_id
                  AND (subscription.status = 'active')
                ORDER BY subscription.plan_type = 'monthly',
                    subscription.expires_at DESC NULLS FIRST, subscription.id,
                    subscription.plan_type COLLATE "C", subscription.expires_at
                LIMIT 1
            ) AS subscription (id, plan_type, expires_at) ON true
            LEFT JOIN LATERAL (
                SELECT (count(*))
                FROM vibelife.payments AS payment
                WHERE source.vibe_id = payment.user_id
                  AND (payment.status = 'completed')
                GROUP BY payment.user_id
            ) AS payment (completed) ON true
            WHERE source.ctid >= $1 AND source.ctid < $2
            ORDER BY source.vibe_id
        $insert$
        ELSE $skip$
            INSERT INTO pgtandem_entitlements.measured_target
                (user_id, current_tier, subscription_id, tier_expires_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.vibe_id,
                   (CASE WHEN subscription.plan_type = 'monthly' THEN 'L2'
     WHEN subscription.id IS NOT NULL THEN 'L3'
     WHEN payment.completed > 0 THEN 'L1'
     ELSE 'L0' END)::varchar,
                   (subscription.id)::uuid,
                   (subscription.expires_at)::timestamp
            FROM ONLY %s AS source
            LEFT JOIN LATERAL (
                SELECT (subscription.id), (subscription.plan_type), (subscription.expires_at)
                FROM vibelife.subscriptions AS subscription
                WHERE source.vibe_id = subscription.user_id
                  AND (subscription.status = 'active')
                ORDER BY subscription.plan_type = 'monthly',
                    subscription.expires_at DESC NULLS FIRST, subscription.id,
                    subscription.plan_type COLLATE "C", subscription.expires_at
                LIMIT 1
            ) AS subscription (id, plan_type, expires_at) ON true
            LEFT JOIN LATERAL (
                SELECT (count(*))
                FROM vibelife.payments AS payment
                WHERE source.vibe_id = payment.user_id
                  AND (payment.status = 'completed')
                GROUP BY payment.user_id
            ) AS payment (completed) ON true
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND NOT EXISTS (SELECT FROM pgtandem_entitlements.measured_target AS t
                              WHERE t.user_id = source.vibe_id)
            ORDER BY source.vibe_id
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (user_id) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.measure_chunk(regclass, bigint, bigint,
                                                           text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'entitlements',
        'a200350507da86f88f504abd617bdf1d9f00087f017235c8448002b9620c2642',
        'vibelife.vibe_users',
        'vibelife.user_entitlements',
        ARRAY['user_id']::text[],
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
  }
}',
        '0.1.0'
    );
END;
$do$;

COMMIT;
