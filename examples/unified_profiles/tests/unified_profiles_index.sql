-- Tests unified_profiles:unified_profiles_index. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(10);

SELECT indexes_are('vibelife', 'unified_profiles', ARRAY[
    'unified_profiles_pkey', 'idx_profile_account_email', 'idx_profile_birth_date',
    'idx_profile_interests', 'idx_profile_deletion'
]);
SELECT is(
    (SELECT bool_and(indisvalid AND indisready) FROM pg_catalog.pg_index
     WHERE indrelid = 'vibelife.unified_profiles'::regclass),
    true, 'all of them are valid'
);
SELECT index_is_unique('vibelife', 'unified_profiles', 'idx_profile_account_email');
SELECT index_is_type('vibelife', 'unified_profiles', 'idx_profile_interests', 'gin');

-- The planner rightly reads a small table whole.
INSERT INTO vibelife.vibe_users (id, vibe_id, display_name, email, birth_date, interests,
                                 deletion_scheduled_for)
SELECT md5('index test ' || n)::uuid, 'I' || n, 'Test', 'index' || n || '@example.invalid',
       date '1950-01-01' + n * 3, ARRAY['subject-' || n % 500],
       CASE WHEN n % 20 = 0 THEN date '2030-01-01' + n END
FROM generate_series(1, 3000) AS n;
ANALYZE vibelife.unified_profiles;
SELECT ok(pgtandem.uses_index(i.query, i.name), i.name || ' is used by its query')
FROM pgtandem.target_index AS i
WHERE i.mapping = 'unified_profiles';

INSERT INTO vibelife.vibe_users (id, vibe_id)
VALUES ('00000000-0000-4000-8000-000000000001', 'T1');
SELECT throws_ok(
    $$ UPDATE vibelife.unified_profiles
       SET profile = jsonb_set(profile, '{account,email}', '"index1@example.invalid"')
       WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    '23505', NULL, 'an address belongs to one account'
);
SELECT lives_ok(
    $$ INSERT INTO vibelife.vibe_users (vibe_id) VALUES ('T2'), ('T3') $$,
    'but many accounts may have none'
);

SELECT * FROM finish();

ROLLBACK;
