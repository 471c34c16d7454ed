-- Tests unified_profiles:unified_profiles_contract, right after it. Changes nothing; needs pgTAP in
-- the search path.

BEGIN;

SELECT plan(18);

SELECT columns_are('vibelife', 'vibe_users', ARRAY[
    'id', 'vibe_id', 'status', 'tier', 'daily_quota', 'billing_summary', 'created_at', 'updated_at'
]);
SELECT is(
    (SELECT count(*) FROM pg_catalog.pg_attribute
     WHERE attrelid = 'vibelife_archive.vibe_users'::regclass AND attnum > 0 AND NOT attisdropped),
    28::bigint, 'the archive has the key and the columns that left'
);
SELECT col_is_pk('vibelife_archive', 'vibe_users', 'id', 'it is found by the key');
SELECT set_eq(
    $$ SELECT id FROM vibelife_archive.vibe_users $$, $$ SELECT id FROM vibelife.vibe_users $$,
    'everybody is in it'
);
SELECT set_eq(
    $$ SELECT a.id, a.display_name, a.birth_date::text, a.client_settings
       FROM vibelife_archive.vibe_users AS a $$,
    $$ SELECT i.user_id, (i.profile #>> '{account,display_name}')::varchar,
              (i.profile #>> '{birth_info,birth_date}')::date::text,
              nullif(i.profile #> '{preferences,client_settings}', 'null')
       FROM vibelife.unified_profiles AS i
       WHERE i.profile #> '{preferences,client_settings}' <> 'null'
       UNION ALL
       SELECT a.id, a.display_name, a.birth_date::text, a.client_settings
       FROM vibelife_archive.vibe_users AS a
       WHERE nullif(a.client_settings, 'null') IS NULL $$,
    'with what they had'
);
SELECT triggers_are('vibelife', 'vibe_users', ARRAY[
    'vibe_users_touch', 'trigger_sync_account_to_profile_truncate',
    'pgtandem_unified_profiles_note_source', 'pgtandem_unified_profiles_note_key'
], 'no sync is left; what there is notes keys, and refuses a TRUNCATE');
SELECT indexes_are('vibelife', 'vibe_users', ARRAY['vibe_users_pkey', 'vibe_users_vibe_id_key']);
SELECT set_eq(
    $$ SELECT conname::text FROM pg_catalog.pg_constraint
       WHERE conrelid = 'vibelife.vibe_users'::regclass AND contype <> 'n' $$,
    ARRAY['vibe_users_pkey', 'vibe_users_vibe_id_key', 'vibe_users_status_check'],
    'the constraints of the columns that stay'
);
SELECT results_eq(
    $$ SELECT phase FROM pgtandem.mapping WHERE name = 'unified_profiles' $$,
    $$ VALUES ('contract') $$, 'the database knows it'
);
SELECT isnt_empty($$ SELECT FROM vibelife.user_directory WHERE display_name IS NOT NULL $$,
                  'the support desk sees names');

-- The new application goes on.
INSERT INTO vibelife.vibe_users (id, vibe_id)
VALUES ('00000000-0000-4000-8000-000000000001', 'T1');
SELECT is_empty(
    $$ SELECT FROM vibelife.unified_profiles
       WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    'whoever makes an account makes its profile, too'
);
SELECT lives_ok(
    $$ INSERT INTO vibelife.unified_profiles (user_id, profile)
       VALUES ('00000000-0000-4000-8000-000000000001', '{"account": {"display_name": 7}}') $$,
    'and writes what it likes'
);
SELECT lives_ok(
    $$ UPDATE vibelife.unified_profiles
       SET profile = jsonb_set(profile, '{account,display_name}', to_jsonb(repeat('x', 200)))
       WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    'also what the column could not hold'
);
SELECT set_eq(
    $$ SELECT DISTINCT key ->> 0 FROM pgtandem.recheck
       WHERE mapping = 'unified_profiles' AND side = 'source' $$,
    ARRAY['00000000-0000-4000-8000-000000000001'],
    'the keys are noted, for a revert'
);
SELECT lives_ok(
    $$ DELETE FROM vibelife.vibe_users WHERE id = '00000000-0000-4000-8000-000000000001' $$,
    'an account is deleted'
);
SELECT is_empty(
    $$ SELECT FROM vibelife.unified_profiles
       WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    'with its profile'
);
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app')
           THEN ok(has_column_privilege('new_app', 'vibelife.vibe_users', c.name, 'UPDATE')
                   = c.may, format('new_app and %s', c.name))
           ELSE skip('no role new_app')
       END
FROM (VALUES ('tier', true), ('vibe_id', false)) AS c (name, may);

SELECT * FROM finish();

ROLLBACK;
