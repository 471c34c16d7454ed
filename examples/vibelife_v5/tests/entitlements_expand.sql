-- Tests vibelife_v5:entitlements_expand, right after it: nobody has an entitlement yet. Changes
-- nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(14);

SELECT columns_are('pgtandem_entitlements', 'image', ARRAY[
    'user_id', 'current_tier', 'subscription_id', 'tier_expires_at'
]);
SELECT isnt(obj_description(o.oid, o.catalog), NULL, o.what || ' has a comment')
  FROM (VALUES
    ('pgtandem_entitlements'::regnamespace::oid, 'pg_namespace', 'the schema'),
    ('pgtandem_entitlements.image'::regclass, 'pg_class', 'the image'),
    ('pgtandem_entitlements.compared(uuid, uuid)'::regprocedure, 'pg_proc', 'compared'),
    ('pgtandem_entitlements.compared_keys(jsonb)'::regprocedure, 'pg_proc', 'compared_keys')
  ) AS o (oid, catalog, what);
SELECT results_eq(
    $$ SELECT source, target, key, settings #>> '{sync,mode}'
         FROM pgtandem.mapping WHERE name = 'entitlements' $$,
    $$ VALUES ('vibelife.vibe_users'::regclass, 'vibelife.user_entitlements'::regclass,
               ARRAY['user_id'], 'queued') $$,
    'the database knows the mapping'
);

CREATE FUNCTION pg_temp.id(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;
INSERT INTO vibelife.vibe_users (vibe_id) SELECT pg_temp.id(n) FROM generate_series(1, 12) AS n;
INSERT INTO vibelife.payments (user_id, amount, status)
SELECT pg_temp.id(p.n), 28, p.status
  FROM (VALUES (2, 'pending'), (2, 'failed'), (2, 'refunded'), (3, 'completed'), (3, 'refunded'),
               (4, 'completed'), (6, 'completed')) AS p (n, status);
INSERT INTO vibelife.subscriptions (id, user_id, plan_type, status, expires_at)
SELECT pg_temp.id(s.id), pg_temp.id(s.n), s.plan_type, s.status, s.expires_at
  FROM (VALUES
    (41,  4,  'monthly', 'active',    timestamp '2099-01-01'),
    (51,  5,  'yearly',  'active',    timestamp '2099-01-01'),
    (61,  6,  'yearly',  'cancelled', timestamp '2099-01-01'),
    (62,  6,  'yearly',  'expired',   timestamp '2099-01-01'),
    -- A yearly one before a monthly one, also where it ends sooner.
    (71,  7,  'monthly', 'active',    NULL),
    (72,  7,  'yearly',  'active',    timestamp '2020-01-01'),
    -- Of two alike the one that ends last, and no end is the last.
    (81,  8,  'monthly', 'active',    timestamp '2098-01-01'),
    (82,  8,  'monthly', 'active',    timestamp '2099-01-01'),
    (91,  9,  'yearly',  'active',    timestamp 'infinity'),
    (92,  9,  'yearly',  'active',    NULL),
    -- Of two quite alike the one with the lesser id, whichever was written first.
    (102, 10, 'monthly', 'active',    timestamp '2099-01-01'),
    (101, 10, 'monthly', 'active',    timestamp '2099-01-01')
  ) AS s (id, n, plan_type, status, expires_at);

SELECT results_eq(
    $$ SELECT right(user_id::text, 12)::integer, current_tier::text,
              right(subscription_id::text, 12)::integer, tier_expires_at
         FROM pgtandem_entitlements.image
        WHERE user_id BETWEEN pg_temp.id(1) AND pg_temp.id(10) ORDER BY 1 $$,
    $$ VALUES (1, 'L0', NULL, NULL::timestamp), (2, 'L0', NULL, NULL), (3, 'L1', NULL, NULL),
              (4, 'L2', 41, '2099-01-01'), (5, 'L3', 51, '2099-01-01'), (6, 'L1', NULL, NULL),
              (7, 'L3', 72, '2020-01-01'), (8, 'L2', 82, '2099-01-01'), (9, 'L3', 92, NULL),
              (10, 'L2', 101, '2099-01-01') $$,
    'the best active subscription, else a completed payment, else none'
);
SELECT is_empty($$ SELECT FROM vibelife.user_entitlements $$, 'nothing has written them yet');

INSERT INTO vibelife.user_entitlements (user_id, current_tier, daily_conversations_used)
VALUES (pg_temp.id(1), 'L0', 3), (pg_temp.id(3), 'L0', 0), (pg_temp.id(13), 'L0', 0);
SELECT results_eq(
    $$ SELECT right(key ->> 0, 12)::integer, in_source, in_target, changed, columns
         FROM pgtandem_entitlements.compared(pg_temp.id(1), pg_temp.id(20))
        WHERE (key ->> 0)::uuid IN (pg_temp.id(1), pg_temp.id(2), pg_temp.id(3), pg_temp.id(13))
        ORDER BY 1 $$,
    $$ VALUES (1, true, true, false, '{}'::text[]),
              (2, true, false, false, ARRAY['current_tier']),
              (3, true, true, true, ARRAY['current_tier']),
              (13, false, true, false, ARRAY['current_tier']) $$,
    'a comparison finds what is missing, changed and extra; what was used does not count'
);
SELECT is(
    (SELECT array_agg(p.proparallel::text) FROM pg_catalog.pg_proc AS p
      WHERE p.pronamespace = 'pgtandem_entitlements'::regnamespace AND p.proname LIKE 'compared%'),
    ARRAY['s', 's'], 'comparisons may run in parallel'
);

-- What the phases before the triggers refuse.
SELECT throws_ok(
    $$ SELECT pgtandem._backfill_start('entitlements', NULL) $$, 'TD007', NULL,
    'TD007: nothing to backfill'
);
SELECT throws_ok(
    $$ SELECT pgtandem._drain_check('entitlements') $$, 'TD006', NULL, 'TD006: nothing to drain'
);
SELECT throws_ok(
    $$ SELECT pgtandem.require_complete('entitlements') $$, 'TD019', NULL,
    'TD019: nothing is complete'
);
SELECT lives_ok(
    $$ SELECT pgtandem.forget_mapping('entitlements') $$, 'the mapping can still be forgotten'
);

SELECT * FROM finish();

ROLLBACK;
