-- Tests vibelife_v5:journey_expand, right after it: nothing computes the journey yet. Changes
-- nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(16);

SELECT columns_are('pgtandem_journey', 'image', ARRAY[
    'vibe_id', 'journey_stage', 'journey_started_at', 'last_active_at'
]);
SELECT isnt(obj_description(o.oid, o.catalog), NULL, o.what || ' has a comment')
  FROM (VALUES
    ('pgtandem_journey'::regnamespace::oid, 'pg_namespace', 'the schema'),
    ('pgtandem_journey.image'::regclass, 'pg_class', 'the image'),
    ('pgtandem_journey.compared(uuid, uuid)'::regprocedure, 'pg_proc', 'compared'),
    ('pgtandem_journey.compared_keys(jsonb)'::regprocedure, 'pg_proc', 'compared_keys')
  ) AS o (oid, catalog, what);
SELECT results_eq(
    $$ SELECT source, target, key, settings #>> '{sync,mode}', settings #>> '{sync,ways}'
         FROM pgtandem.mapping WHERE name = 'journey' $$,
    $$ VALUES ('vibelife.vibe_users'::regclass, 'vibelife.vibe_users'::regclass,
               ARRAY['vibe_id'], 'queued', 'forward') $$,
    'the database knows the mapping, which is in place'
);

-- Users of so many days, who have paid or not; of each one day has two messages.
CREATE FUNCTION pg_temp.who(p_days integer, p_paid boolean) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('00000000-0000-4000-800%s-%s', p_paid::integer, lpad(p_days::text, 12, '0'))::uuid
$$;
CREATE TEMPORARY TABLE expected AS
SELECT pg_temp.who(d.days, p.paid) AS id, d.days, p.paid,
       CASE WHEN p.paid THEN d.with_payment ELSE d.without END AS stage
  FROM (VALUES
    (0,  'first_sight',   'first_sight'),
    (1,  'understanding', 'understanding'),
    (2,  'understanding', 'understanding'),
    (3,  'trust',         'trust'),
    (13, 'trust',         'trust'),
    (14, 'trust',         'dependence'),
    (59, 'trust',         'dependence'),
    (60, 'trust',         'symbiosis'),
    (61, 'trust',         'symbiosis')
  ) AS d (days, without, with_payment)
 CROSS JOIN (VALUES (false), (true)) AS p (paid);
INSERT INTO vibelife.vibe_users (vibe_id, created_at) SELECT id, '2024-12-31' FROM expected;
INSERT INTO vibelife.conversations (id, user_id) SELECT id, id FROM expected;
INSERT INTO vibelife.messages (conversation_id, role, content, created_at)
SELECT id, 'user', '', '2024-12-31 23:59:59.999999'::timestamp + n * interval '1 day'
  FROM expected, generate_series(1, days) AS n
UNION ALL
SELECT id, 'user', '', '2025-01-01' FROM expected WHERE days > 0
UNION ALL
-- What the assistant says, on days of its own.
SELECT id, 'assistant', '', '2026-01-01'::timestamp + n * interval '1 day'
  FROM expected, generate_series(1, 90) AS n;
INSERT INTO vibelife.payments (user_id, amount, status)
SELECT id, 28, s.status
  FROM expected
 CROSS JOIN unnest(CASE WHEN paid THEN ARRAY['completed', 'refunded']
                        ELSE ARRAY['pending', 'failed', 'refunded'] END) AS s (status);

SELECT bag_eq(
    $$ SELECT days, paid, journey_stage
         FROM pgtandem_journey.image JOIN expected ON id = vibe_id $$,
    $$ SELECT days, paid, stage FROM expected $$,
    'the stages, at and around 1, 3, 14 and 60 days, with and without a completed payment'
);
SELECT is_empty(
    $$ SELECT id, i.*
         FROM pgtandem_journey.image AS i JOIN expected ON id = vibe_id
        WHERE journey_started_at <> '2024-12-31'
           OR last_active_at IS DISTINCT FROM
              CASE WHEN days > 0
                   THEN '2024-12-31 23:59:59.999999'::timestamp + days * interval '1 day' END $$,
    'last active with the last message of the user; what the assistant says is no activity'
);
SELECT is_empty(
    $$ SELECT FROM vibelife.vibe_users JOIN expected ON id = vibe_id
        WHERE journey_stage <> 'encounter' OR last_active_at IS NOT NULL $$,
    'which nothing has written yet'
);

UPDATE vibelife.vibe_users
   SET journey_stage = 'symbiosis', journey_started_at = '2020-01-01'
 WHERE vibe_id IN (pg_temp.who(0, false), pg_temp.who(1, false));
UPDATE vibelife.vibe_users
   SET journey_stage = NULL, journey_started_at = '2020-01-01'
 WHERE vibe_id = pg_temp.who(0, true);
SELECT results_eq(
    $$ SELECT k.n, changed, columns
         FROM (VALUES (1, pg_temp.who(0, false)), (2, pg_temp.who(1, false)),
                      (3, pg_temp.who(0, true)), (4, pg_temp.who(1, true))) AS k (n, id)
         JOIN pgtandem_journey.compared() ON key = jsonb_build_array(k.id)
        ORDER BY k.n $$,
    $$ VALUES (1, false, '{}'::text[]),
              (2, true, ARRAY['last_active_at']),
              (3, true, ARRAY['journey_stage']),
              (4, true, ARRAY['last_active_at', 'journey_stage', 'journey_started_at']) $$,
    'a stage or a beginning that somebody has set does not count, one that is unset does'
);
SELECT set_eq(
    $$ SELECT key ->> 0, in_source, in_target, changed
         FROM pgtandem_journey.compared_keys(jsonb_build_array(
                  jsonb_build_array(pg_temp.who(1, false)),
                  '["00000000-0000-4000-8000-00000000000f"]'::jsonb)) $$,
    $$ VALUES (pg_temp.who(1, false)::text, true, true, true),
              ('00000000-0000-4000-8000-00000000000f', false, false, false) $$,
    'single keys, of which one is nobody'
);
SELECT is(
    (SELECT array_agg(p.proparallel::text) FROM pg_catalog.pg_proc AS p
      WHERE p.pronamespace = 'pgtandem_journey'::regnamespace AND p.proname LIKE 'compared%'),
    ARRAY['s', 's'], 'comparisons may run in parallel'
);

-- What the phases before the triggers refuse.
SELECT throws_ok(
    $$ SELECT pgtandem._backfill_start('journey', NULL) $$, 'TD007', NULL,
    'TD007: nothing to backfill'
);
SELECT throws_ok(
    $$ SELECT pgtandem._drain_check('journey') $$, 'TD006', NULL, 'TD006: nothing to drain'
);
SELECT throws_ok(
    $$ SELECT pgtandem.require_complete('journey') $$, 'TD019', NULL, 'TD019: nothing is complete'
);
SELECT lives_ok(
    $$ SELECT pgtandem.forget_mapping('journey') $$, 'the mapping can still be forgotten'
);

SELECT * FROM finish();

ROLLBACK;
