-- Tests danci:profiles_expand, right after it: nothing is merged yet. Changes nothing; needs pgTAP
-- in the search path.

BEGIN;

SELECT plan(7);

SELECT columns_are('pgtandem_profiles', 'image', ARRAY[
    'user_id', 'attention', 'fatigue', 'motivation', 'memory', 'speed', 'stability', 'trend',
    'created_at', 'updated_at'
]);
SELECT results_eq(
    $$ SELECT source, target, key, settings #>> '{merge,wins}', settings #>> '{merge,by}'
         FROM pgtandem.mapping WHERE name = 'profiles' $$,
    $$ VALUES ('danci.amas_user_states'::regclass, 'danci.user_learning_profiles'::regclass,
               ARRAY['user_id'], 'newest', 'updated_at') $$,
    'the database knows the mapping, which is a merge'
);

-- What a state becomes.
INSERT INTO danci.users (id, name)
SELECT format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, 'test'
  FROM generate_series(1, 4) AS n;
INSERT INTO danci.amas_user_states (user_id, attention, cognitive, trend, updated_at)
SELECT id, 0.25, '{"memory": 0.5, "speed": null, "version": 3}', 'up', '2025-01-02'
  FROM danci.users WHERE name = 'test';
SELECT results_eq(
    $$ SELECT attention, memory, speed, stability, trend, updated_at
         FROM pgtandem_profiles.image
        WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    $$ VALUES (0.25::float8, 0.5::float8, NULL::float8, NULL::float8, 'up',
               '2025-01-02'::timestamptz) $$,
    'the values of the document are columns; a null and a missing one are NULL'
);

-- Which wins.
INSERT INTO danci.user_learning_profiles (user_id, attention, updated_at)
VALUES ('00000000-0000-4000-8000-000000000002', 0.5, '2025-01-01'),
       ('00000000-0000-4000-8000-000000000003', 0.5, '2025-01-02'),
       ('00000000-0000-4000-8000-000000000004', 0.5, '2025-01-03');
SELECT results_eq(
    $$ SELECT right(key ->> 0, 1), in_target, changed FROM pgtandem_profiles.compared()
        WHERE key ->> 0 LIKE '00000000-0000-4000-8000-%' ORDER BY 1 $$,
    $$ VALUES ('1', false, false), ('2', true, true), ('3', true, false), ('4', true, false) $$,
    'a missing and an older profile differ; one as old, and a newer one, are right'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem_profiles.compared() WHERE NOT in_source $$,
    'a profile without a state is the canary''s own, and no difference'
);
SELECT throws_ok(
    $$ SELECT pgtandem._backfill_start('profiles', NULL) $$, 'TD007', NULL,
    'TD007: nothing to backfill'
);
SELECT lives_ok(
    $$ SELECT pgtandem.forget_mapping('profiles') $$, 'the mapping can still be forgotten'
);

SELECT * FROM finish();

ROLLBACK;
