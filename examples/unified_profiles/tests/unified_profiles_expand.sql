-- Tests unified_profiles:unified_profiles_expand, right after it: nothing keeps the documents equal
-- yet but migration 019. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(13);

SET LOCAL TimeZone = 'Asia/Tokyo';
SET LOCAL DateStyle = 'SQL, DMY';

SELECT is(
    (SELECT count(*) FROM pg_catalog.pg_attribute
     WHERE attrelid = 'pgtandem_unified_profiles.image'::regclass AND attnum > 0
       AND NOT attisdropped AND atttypid = 'jsonb'::regtype),
    26::bigint, 'the image has a column for each path'
);
SELECT isnt(
    obj_description('pgtandem_unified_profiles.image'::regclass, 'pg_class'), NULL,
    'the image has a comment'
);
SELECT results_eq(
    $$ SELECT source, target, key, settings #>> '{sync,trigger}' FROM pgtandem.mapping
       WHERE name = 'unified_profiles' $$,
    $$ VALUES ('vibelife.vibe_users'::regclass, 'vibelife.unified_profiles'::regclass,
               ARRAY['user_id'], 'trigger_sync_account_to_profile') $$,
    'the database knows the mapping'
);

-- Each type, as it will stand in the document, whatever the session's settings are.
INSERT INTO vibelife.vibe_users (
    id, vibe_id, display_name, email_verified, linked_providers, birth_datetime, birth_date,
    birth_time, birth_latitude, birth_rectification, reminder_days, session_minutes,
    client_settings, deletion_requested_at
) VALUES (
    '00000000-0000-4000-8000-000000000001', 'T1', '小雨 🔮', false, '{"a,b",NULL}',
    '1984-02-29 23:59:59.5', '1984-02-29', '24:00', 47.1, 123456789012345678901234567890.10,
    '{}', 0, '{"k": [null]}', '2026-01-31 12:00+09'
), (
    '00000000-0000-4000-8000-000000000002', 'T2', NULL, NULL, NULL,
    'infinity', '-infinity', NULL, NULL, 'NaN', NULL, NULL, 'null', '-infinity'
);
SELECT is(
    (SELECT to_jsonb(i) ->> p.path FROM pgtandem_unified_profiles.image AS i
     WHERE i.user_id = '00000000-0000-4000-8000-000000000001'),
    p.value, p.path
)
FROM (VALUES
    ('profile.account.email_verified', 'false'),
    ('profile.account.linked_providers', '["a,b", null]'),
    ('profile.birth_info.birth_datetime', '1984-02-29T23:59:59.5'),
    ('profile.birth_info.birth_date', '1984-02-29'),
    ('profile.birth_info.birth_time', '24:00:00'),
    ('profile.birth_info.latitude', '47.100000'),
    ('profile.birth_info.rectification', '123456789012345678901234567890.10'),
    ('profile.deletion.requested_at', '2026-01-31T03:00:00+00:00')
) AS p (path, value);
SELECT results_eq(
    $$ SELECT i."profile.account.display_name", i."profile.birth_info.birth_datetime",
              i."profile.birth_info.rectification", i."profile.preferences.client_settings",
              i."profile.deletion.requested_at"
       FROM pgtandem_unified_profiles.image AS i
       WHERE i.user_id = '00000000-0000-4000-8000-000000000002' $$,
    $$ VALUES (NULL::jsonb, '"infinity"'::jsonb, '"NaN"'::jsonb, NULL::jsonb, '"-infinity"'::jsonb)
    $$,
    'NULL and a JSON null are NULL; the infinities have a name'
);
SELECT results_eq(
    $$ SELECT columns && ARRAY['profile.preferences.language']
       FROM pgtandem_unified_profiles.compared()
       WHERE key = '["00000000-0000-4000-8000-000000000001"]' $$,
    $$ VALUES (true) $$,
    'a comparison names the paths'
);

SELECT * FROM finish();

ROLLBACK;
