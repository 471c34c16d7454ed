-- Tests vibelife_v5:v5_flags. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(14);

SELECT bag_eq(
    $$ SELECT name, state, stages FROM pgtandem.flag WHERE name LIKE 'v5\_%' $$,
    $$ SELECT name, 'off', '{1, 5, 20, 100}'::integer[]
         FROM (VALUES ('v5_rituals'), ('v5_memory'), ('v5_prism'), ('v5_journey'),
                      ('v5_subscription')) AS f (name) $$,
    'the five flags of the plan are there, off, with its stages'
);
SELECT is_empty(
    $$ SELECT vibe_id FROM vibelife.vibe_users WHERE pgtandem.enabled('v5_memory', vibe_id) $$,
    'nobody has one of them'
);

-- A user who has just come, one who has paid, one who got it back, one who was there yesterday.
INSERT INTO vibelife.vibe_users (vibe_id, created_at, last_active_at)
VALUES ('00000000-0000-4000-8000-000000000001',
        (now() AT TIME ZONE 'UTC') - interval '6 days', NULL),
       ('00000000-0000-4000-8000-000000000002', '2020-01-01', NULL),
       ('00000000-0000-4000-8000-000000000003', '2020-01-01', '2020-01-01'),
       ('00000000-0000-4000-8000-000000000004', '2020-01-01',
        (now() AT TIME ZONE 'UTC') - interval '1 day');
INSERT INTO vibelife.payments (user_id, amount, status)
VALUES ('00000000-0000-4000-8000-000000000002', 28, 'completed'),
       ('00000000-0000-4000-8000-000000000003', 28, 'refunded');

PREPARE members (text) AS
SELECT right(vibe_id::text, 1) FROM vibelife.vibe_users
 WHERE vibe_id::text LIKE '00000000-0000-4000-8000-%' AND pgtandem.enabled($1, vibe_id);

SELECT lives_ok(
    $$ SELECT pgtandem.set_flag('v5_memory', 0),
              pgtandem.add_cohort('v5_memory', 'vibelife.is_new') $$,
    'is_new can be a cohort'
);
SELECT bag_eq($$ EXECUTE members('v5_memory') $$, ARRAY['1'], 'who has just come');
SELECT lives_ok(
    $$ SELECT pgtandem.set_flag('v5_prism', 0),
              pgtandem.add_cohort('v5_prism', 'vibelife.has_paid') $$,
    'has_paid can be a cohort'
);
SELECT bag_eq($$ EXECUTE members('v5_prism') $$, ARRAY['2'], 'who has paid');
SELECT lives_ok(
    $$ SELECT pgtandem.set_flag('v5_journey', 0),
              pgtandem.add_cohort('v5_journey', 'vibelife.is_active') $$,
    'is_active can be a cohort'
);
SELECT bag_eq($$ EXECUTE members('v5_journey') $$, ARRAY['4'], 'who was there yesterday');

SELECT ok(
    NOT pgtandem.enabled('v5_prism', u.id),
    format('%L is nobody, and no error', u.id)
)
  FROM (VALUES (''), ('nobody'), ('00000000-0000-4000-8000-00000000000g'),
               ('00000000-0000-4000-8000-00000000000f')) AS u (id);

SELECT results_eq(
    $$ SELECT becomes FROM pgtandem.next_stage('v5_rituals') $$, ARRAY['1 %'],
    'the first stage is one percent'
);
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app')
           THEN ok(
                    has_function_privilege('new_app', 'pgtandem.enabled(text, text)', 'EXECUTE')
                    AND NOT has_table_privilege('new_app', 'pgtandem.flag', 'SELECT'),
                    'the application may ask for a flag, and no more'
                )
           ELSE skip('no role new_app')
       END;

SELECT * FROM finish();

ROLLBACK;
