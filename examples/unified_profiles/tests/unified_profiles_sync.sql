-- Tests unified_profiles:unified_profiles_sync, right after it: the copy is open. Changes nothing;
-- needs pgTAP in the search path.

BEGIN;

SELECT plan(50);

SET LOCAL TimeZone = 'America/Sao_Paulo';
SET LOCAL DateStyle = 'SQL, DMY';

CREATE FUNCTION pg_temp.account(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;
CREATE FUNCTION pg_temp.at(p_number integer, VARIADIC p_path text[]) RETURNS text LANGUAGE sql AS $$
    SELECT (profile #> p_path)::text FROM vibelife.unified_profiles
    WHERE user_id = pg_temp.account(p_number);
$$;
CREATE FUNCTION pg_temp.put(p_number integer, p_value jsonb, VARIADIC p_path text[])
RETURNS void LANGUAGE sql AS $$
    UPDATE vibelife.unified_profiles SET profile = jsonb_set(profile, p_path, p_value)
    WHERE user_id = pg_temp.account(p_number);
$$;
CREATE FUNCTION pg_temp.holds(p_number integer, p_column text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_value text;
BEGIN
    EXECUTE format('SELECT %I::text FROM vibelife.vibe_users WHERE id = $1', p_column)
    INTO v_value USING pg_temp.account(p_number);
    RETURN v_value;
END;
$$;

SELECT set_eq(
    $$ SELECT tgrelid::regclass, tgname::text, tgenabled::text FROM pg_catalog.pg_trigger
       WHERE tgrelid IN ('vibelife.vibe_users'::regclass, 'vibelife.unified_profiles'::regclass)
         AND NOT tgisinternal AND tgname <> 'vibe_users_touch' $$,
    $$ VALUES ('vibelife.vibe_users'::regclass, 'trigger_sync_account_to_profile_write', 'A'),
              ('vibelife.vibe_users', 'trigger_sync_account_to_profile_update', 'A'),
              ('vibelife.vibe_users', 'trigger_sync_account_to_profile_moved', 'A'),
              ('vibelife.vibe_users', 'trigger_sync_account_to_profile_truncate', 'A'),
              ('vibelife.vibe_users', 'trigger_sync_account_to_profile', 'O'),
              ('vibelife.unified_profiles', 'pgtandem_unified_profiles_back_write', 'A'),
              ('vibelife.unified_profiles', 'pgtandem_unified_profiles_back_update', 'A'),
              ('vibelife.unified_profiles', 'pgtandem_unified_profiles_truncate', 'A') $$,
    'the triggers have the name that the plan gave them, beside the one of migration 019'
);
-- As retire_019 is going to.
DROP TRIGGER trigger_sync_account_to_profile ON vibelife.vibe_users;

-- Old to new: each type.
INSERT INTO vibelife.vibe_users (id, vibe_id) SELECT pg_temp.account(n), 'T' || n
FROM generate_series(1, 4) AS n;
SELECT is(
    (SELECT count(*) FROM vibelife.unified_profiles
     WHERE user_id IN (SELECT pg_temp.account(n) FROM generate_series(1, 4) AS n)),
    4::bigint, 'a new account has a profile'
);
SELECT is(pg_temp.at(1, 'account', 'display_name'), 'null', 'NULL is a JSON null');
SELECT is(pg_temp.at(1, 'preferences', 'language'), '"zh-CN"', 'a default arrives');
UPDATE vibelife.unified_profiles
   SET profile = profile || '{"skill_data": {"tarot": 1}}'
              || jsonb_build_object('account', profile -> 'account' || '{"badges": ["early"]}')
 WHERE user_id = pg_temp.account(1);
UPDATE vibelife.vibe_users
   SET display_name = '小雨 "🔮"', email_verified = false, linked_providers = '{"a,b",NULL,"NULL"}',
       birth_datetime = '1984-02-29 23:59:59.5', birth_date = '0044-03-15 BC', birth_time = '24:00',
       birth_latitude = -12.3, birth_rectification = 123456789012345678901234567890.123456789,
       reminder_days = '{}', session_minutes = -1, client_settings = '{"k": [null, 1.10]}',
       deletion_requested_at = '2026-01-31 12:00+09'
 WHERE id = pg_temp.account(1);
SELECT is(pg_temp.at(1, VARIADIC p.path), p.value, p.path::text)
FROM (VALUES
    ('{account,display_name}'::text[], '"小雨 \"🔮\""'),
    ('{account,email_verified}', 'false'),
    ('{account,linked_providers}', '["a,b", null, "NULL"]'),
    ('{birth_info,birth_datetime}', '"1984-02-29T23:59:59.5"'),
    ('{birth_info,birth_date}', '"0044-03-15 BC"'),
    ('{birth_info,birth_time}', '"24:00:00"'),
    ('{birth_info,latitude}', '-12.300000'),
    ('{birth_info,rectification}', '123456789012345678901234567890.123456789'),
    ('{preferences,reminder_days}', '[]'),
    ('{preferences,session_minutes}', '-1'),
    ('{preferences,client_settings}', '{"k": [null, 1.10]}'),
    ('{deletion,requested_at}', '"2026-01-31T03:00:00+00:00"'),
    ('{account,badges}', '["early"]'),
    ('{skill_data,tarot}', '1')
) AS p (path, value);
UPDATE vibelife.vibe_users SET reminder_days = NULL, client_settings = 'null'
WHERE id = pg_temp.account(1);
SELECT is(pg_temp.at(1, 'preferences', 'reminder_days'), 'null', 'an update to NULL');
SELECT is(pg_temp.at(1, 'preferences', 'client_settings'), 'null', 'or to a JSON null');
SELECT is_empty($$ SELECT FROM pgtandem.failures $$, 'nothing failed');

-- New to old: each type.
SELECT lives_ok(
    format('SELECT pg_temp.put(2, %L, VARIADIC %L)', p.value, p.path),
    format('the new application writes %s', p.path)
)
FROM (VALUES
    ('{account,display_name}', '"O''Neill"'),
    ('{account,email_verified}', 'true'),
    ('{account,linked_providers}', '["wechat", "a,\"b"]'),
    ('{birth_info,birth_datetime}', '"1984-02-29T23:59:59"'),
    ('{birth_info,birth_date}', '"1984-02-29"'),
    ('{birth_info,latitude}', '47.5'),
    ('{preferences,reminder_days}', '[1, 7]'),
    ('{preferences,client_settings}', '{"theme": "dark"}'),
    ('{deletion,requested_at}', '"2026-01-31T12:00:00Z"')
) AS p (path, value);
SELECT results_eq(
    $$ SELECT display_name, email_verified, linked_providers, birth_datetime, birth_date,
              birth_latitude, reminder_days, client_settings, deletion_requested_at
       FROM vibelife.vibe_users WHERE id = pg_temp.account(2) $$,
    $$ VALUES ('O''Neill'::varchar, true, '{wechat,"a,\"b"}'::text[],
               timestamp '1984-02-29 23:59:59', date '1984-02-29', 47.5::numeric,
               '{1,7}'::integer[], '{"theme": "dark"}'::jsonb,
               timestamptz '2026-01-31 12:00 UTC') $$,
    'and the columns have it'
);
UPDATE vibelife.unified_profiles SET profile = profile #- '{account,display_name}'
WHERE user_id = pg_temp.account(2);
SELECT is(pg_temp.holds(2, 'display_name'), NULL, 'a path that is removed is NULL');
SELECT pg_temp.put(2, '"again"', 'account', 'display_name');
UPDATE vibelife.unified_profiles SET profile = profile - 'account' || '{"notes": 1}'
WHERE user_id = pg_temp.account(2);
SELECT is(pg_temp.holds(2, 'display_name'), NULL, 'with all that is above it, too');
UPDATE vibelife.vibe_users SET display_name = 'back' WHERE id = pg_temp.account(2);
SELECT is(pg_temp.at(2, 'account', 'display_name'), '"back"', 'a parent that is missing is made');
UPDATE vibelife.unified_profiles SET profile = profile || '{"account": null}'
WHERE user_id = pg_temp.account(2);
UPDATE vibelife.vibe_users SET display_name = 'anew' WHERE id = pg_temp.account(2);
SELECT is(pg_temp.at(2, 'account', 'display_name'), '"anew"', 'and one that is null');
SELECT is(pg_temp.at(2, 'notes'), '1', 'what others keep stays');
SELECT is_empty(
    $$ SELECT key FROM pgtandem_unified_profiles.compared_keys(jsonb_build_array(
           jsonb_build_array(pg_temp.account(1)), jsonb_build_array(pg_temp.account(2))))
       WHERE changed $$,
    'both sides agree'
);

-- What a column cannot hold.
SELECT throws_ok(
    $$ SELECT pg_temp.put(3, to_jsonb(repeat('x', 101)), 'account', 'display_name') $$,
    '22001', NULL, 'a name that is too long'
);
SELECT throws_ok(
    $$ SELECT pg_temp.put(3, '"neither"', 'birth_info', 'gender') $$,
    '23514', NULL, 'what a check forbids'
);
SELECT throws_ok(
    $$ SELECT pg_temp.put(3, 'null', 'preferences', 'language') $$,
    '23502', NULL, 'nothing, where there must be something'
);
SELECT throws_ok(
    $$ SELECT pg_temp.put(3, '1.0000001', 'birth_info', 'latitude') $$,
    'TD011', NULL, 'TD011: a number that would be rounded'
);

-- A document with something else in the place of an object: nothing is overwritten.
SELECT set_config('pgtandem_unified_profiles.depth', '0', true);
UPDATE vibelife.unified_profiles SET profile = profile || '{"account": "guest"}'
WHERE user_id = pg_temp.account(3);
SELECT set_config('pgtandem_unified_profiles.depth', '', true);
UPDATE vibelife.vibe_users SET display_name = 'lost?' WHERE id = pg_temp.account(3);
SELECT is(pg_temp.at(3, 'account'), '"guest"', 'what is there stays');
SELECT is(
    (SELECT count(*) FROM pgtandem.failures WHERE key ->> 0 = pg_temp.account(3)::text), 1::bigint,
    'and the failure is recorded; the old application was told nothing'
);

-- A user who had no profile: the application makes it itself, with what it knows.
SELECT set_config('pgtandem_unified_profiles.depth', '0', true);
INSERT INTO vibelife.vibe_users (id, vibe_id, display_name, timezone)
VALUES (pg_temp.account(5), 'T5', 'old name', 'Asia/Tokyo');
SELECT set_config('pgtandem_unified_profiles.depth', '', true);
SELECT lives_ok(
    $$ INSERT INTO vibelife.unified_profiles (user_id, profile)
       VALUES (pg_temp.account(5), '{"account": {"display_name": "new name"}, "notes": 2}') $$,
    'a profile for a user who had none'
);
SELECT is(pg_temp.holds(5, 'display_name'), 'new name', 'what it says reaches the column');
SELECT is(pg_temp.holds(5, 'timezone'), 'Asia/Tokyo', 'what it leaves out stays');
SELECT is(pg_temp.at(5, 'preferences', 'timezone'), '"Asia/Tokyo"', 'and is in the document');
SELECT is(pg_temp.at(5, 'notes'), '2', 'beside what is not ours');

-- The account goes, and the profile with it.
DELETE FROM vibelife.vibe_users WHERE id = pg_temp.account(1);
SELECT is_empty(
    $$ SELECT FROM vibelife.unified_profiles WHERE user_id = pg_temp.account(1) $$,
    'a deleted account'
);
SELECT throws_ok(
    $$ TRUNCATE vibelife.vibe_users CASCADE $$, 'TD014', NULL, 'TD014: TRUNCATE'
);

SELECT * FROM finish();

ROLLBACK;
