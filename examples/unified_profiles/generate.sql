-- Fills the system with accounts and profiles as they are found in real databases.
--
--     psql -f generate.sql                                 3,000 users
--     psql -v users=1000000 -f generate.sql
--
-- The same number gives the same rows, on any server: everything is cut from the md5 of the row's
-- number, nothing from a clock or a generator. As with random UUIDs, the order of the keys is not
-- the order of the heap. The database must be encoded in UTF-8. Fails, and changes nothing, where
-- there is a user already. Takes ACCESS EXCLUSIVE on both tables: for a database nobody uses yet.
--
-- What to expect in the columns: NULL beside the empty string, the empty array and the JSON null;
-- emoji, combining marks, right-to-left and invisible characters, text that looks like SQL or JSON;
-- days and moments before Christ and at both infinities, 24:00; numbers of thirty digits; arrays
-- with NULL, quotes and commas in them. Among the documents: none at all (one user in six),
-- empty ones, an account that is JSON null, keys of other services beside ours, and names that
-- migration 019 let go stale.

\set ON_ERROR_STOP on
\if :{?users}
\else
    \set users 3000
\endif

BEGIN;

-- Literals below are read alike whatever the session's own settings are.
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';

DO $$
BEGIN
    IF EXISTS (SELECT FROM vibelife.vibe_users) THEN
        RAISE EXCEPTION 'vibelife.vibe_users is not empty'
            USING ERRCODE = 'TD902', HINT = 'Generate into a fresh database: psql -f legacy.sql.';
    END IF;
END;
$$;

CREATE FUNCTION pg_temp.cut(p_md5 text, p_from integer, p_length integer)
RETURNS bigint
LANGUAGE sql IMMUTABLE
-- The number that p_length hexadecimal digits (at most 15) of p_md5 stand for.
RETURN ('x' || lpad(substr(p_md5, p_from, p_length), 16, '0'))::bit(64)::bigint;

-- These users are older than migration 019.
ALTER TABLE vibelife.vibe_users DISABLE TRIGGER trigger_sync_account_to_profile;

-- OFFSET 0 below keeps the planner from computing an md5 again wherever it is mentioned.
INSERT INTO vibelife.vibe_users (
    id, vibe_id, status, display_name, avatar_url, email, phone, email_verified, linked_providers,
    birth_datetime, birth_date, birth_time, birth_place, birth_latitude, birth_longitude,
    birth_rectification, gender, language, timezone, notifications_enabled, reminder_time,
    reminder_days, session_minutes, interests, client_settings, tier, daily_quota, billing_summary,
    deletion_requested_at, deletion_reason, deletion_scheduled_for, deleted_at, last_seen_at,
    created_at, updated_at
)
SELECT m.md5::uuid,
       'V' || lpad(n::text, 9, '0'),
       CASE WHEN p.gone THEN 'deleted' WHEN p.guest THEN 'guest' ELSE 'active' END,
       CASE WHEN p.guest THEN NULL
            WHEN n % 20 = 0 THEN odd.texts[1 + (n / 20) % cardinality(odd.texts)]
            ELSE plain.given[1 + p.a % cardinality(plain.given)] || ' '
              || plain.family[1 + p.b % cardinality(plain.family)]
       END,
       CASE p.a % 3 WHEN 0 THEN format('https://img.example.invalid/%s.webp', m.md5)
                    WHEN 1 THEN '' END,
       CASE WHEN NOT p.guest
            THEN format('user%s@example.%s', n, (ARRAY['com', 'org', 'net'])[1 + n % 3]) END,
       CASE WHEN p.b % 4 = 0 THEN '+86 1' || lpad(n::text, 10, '0') END,
       (ARRAY[true, false, NULL])[1 + p.a % 3],
       plain.providers[1 + p.b % array_length(plain.providers, 1)]::text[],
       CASE WHEN p.odd < 16 THEN odd.moments[1 + n % cardinality(odd.moments)]
            WHEN p.a % 4 > 0
            THEN timestamp '1940-01-01' + p.born * interval '1 microsecond' END,
       CASE WHEN p.odd < 16 THEN odd.days[1 + n % cardinality(odd.days)]
            WHEN p.a % 8 > 0 THEN date '1940-01-01' + (p.born / 86400000000)::integer END,
       CASE WHEN p.odd < 16 THEN odd.times[1 + n % cardinality(odd.times)]
            WHEN p.a % 4 > 0 THEN time '00:00' + p.born % 86400 * interval '1 second' END,
       CASE WHEN n % 31 = 0 THEN odd.texts[1 + (n / 31) % cardinality(odd.texts)]
            ELSE plain.places[1 + p.a % cardinality(plain.places)] END,
       CASE WHEN p.b % 5 > 0 THEN (p.born % 180000001 - 90000000) / 1000000.0 END,
       CASE WHEN p.b % 5 > 0 THEN (p.born % 360000001 - 180000000) / 1000000.0 END,
       odd.numbers[1 + p.odd % cardinality(odd.numbers)],
       (ARRAY['female', 'male', 'other', NULL])[1 + p.b % 4],
       (ARRAY['zh-CN', 'en', 'ja', 'zh-TW', 'pt-BR', ''])[1 + p.a % 6],
       plain.zones[1 + p.b % cardinality(plain.zones)],
       (ARRAY[true, false, NULL])[1 + p.b % 3],
       CASE WHEN p.a % 5 = 0 THEN time '07:00' + p.b % 12 * interval '15 minutes' END,
       (ARRAY['{1,2,3,4,5}', '{}', '{6,7}', '{NULL}', NULL, '{3}'])[1 + p.a % 6]::integer[],
       CASE WHEN p.odd < 3 THEN (ARRAY[0, -2147483648, 2147483647])[1 + p.odd]
            WHEN p.b % 2 = 0 THEN 5 * (1 + p.b % 12) END,
       CASE WHEN p.a % 64 < cardinality(odd.tags) THEN odd.tags[1 + p.a % 64]
            WHEN p.a % 3 = 0 THEN format('{%s,sleep}', plain.tags[1 + p.b % 40]) END::text[],
       odd.documents[1 + p.b % cardinality(odd.documents)],
       (ARRAY['free', 'free', 'free', 'plus', 'pro'])[1 + p.a % 5],
       10 * (1 + p.a % 5),
       CASE WHEN p.a % 5 > 2 THEN jsonb_build_object('currency', 'CNY', 'paid', p.b / 100.0) END,
       CASE WHEN p.leaving THEN timestamptz '2025-01-01' + p.born % 26000000 * interval '1 s' END,
       CASE WHEN p.leaving THEN odd.texts[1 + n % cardinality(odd.texts)] END,
       CASE WHEN p.leaving THEN date '2025-02-01' + (p.born % 300)::integer END,
       CASE WHEN NOT p.gone THEN NULL
            WHEN n % 200 = 0 THEN odd.moments[1 + (n / 200) % cardinality(odd.moments)]
            ELSE timestamptz '2025-03-01' + p.born % 26000000 * interval '1 s' END,
       CASE WHEN p.a % 2 = 0
            THEN timestamptz '2025-06-01' + p.born % 12960000 * interval '1 s' END,
       CASE WHEN p.odd = 99
            THEN '-infinity'
            ELSE timestamptz '2020-01-01' + p.born % 150000000 * interval '1 s' END,
       timestamptz '2025-10-01' + p.born % 2592000 * interval '1 s'
  FROM generate_series(1, :users) AS n
 CROSS JOIN LATERAL (SELECT md5('vibe user ' || n) OFFSET 0) AS m (md5)
 CROSS JOIN LATERAL (
    SELECT pg_temp.cut(m.md5, 1, 4)::integer, pg_temp.cut(m.md5, 5, 4)::integer,
           pg_temp.cut(m.md5, 9, 4)::integer % 1000,
           pg_temp.cut(m.md5, 13, 13) % 2200000000000000,    -- about seventy years
           n % 7 = 0, n % 40 IN (0, 1), n % 40 = 0
    OFFSET 0
  ) AS p (a, b, odd, born, guest, leaving, gone)
 CROSS JOIN (
    SELECT ARRAY['小雨', 'Ana', 'Bo', 'Chloé', '大文', 'Eirik', 'Fatima', 'Goran', 'Hana', 'Jun'],
           ARRAY['陈', 'Berg', 'Chen', 'Dubois', '佐藤', 'García', 'O''Neill', 'van den Berg',
                 'Øst'],
           ARRAY['{google}', '{apple}', '{wechat}', '{wechat,google}', '{}', NULL],
           ARRAY['上海', '北京', 'Tokyo', 'Zürich', 'São Paulo', 'Ōsaka', '', NULL],
           ARRAY['Asia/Shanghai', 'Asia/Tokyo', 'Europe/Zurich', 'America/Sao_Paulo',
                 'Asia/Kathmandu', NULL],
           ARRAY(SELECT format('%s-%s', (ARRAY['tarot', 'bazi', 'yoga', 'music'])[1 + t % 4], t)
                   FROM generate_series(1, 40) AS t ORDER BY t)
  ) AS plain (given, family, providers, places, zones, tags)
 CROSS JOIN (
    SELECT ARRAY[
        '', ' ', '  leading', 'trailing  ', E'tab\tand\nline\r\nends',
        'NULL', 'null', '\N', '{}', '[]', '"', '{"a": 1}', '0', 'false', '%s', '$1', '%(name)s',
        'It''s "quoted" \ and back', '\u0000 as six characters',
        'Robert''); DROP TABLE vibe_users;--',
        U&'caf\00E9',                                     -- one code point
        U&'cafe\0301',                                    -- the same to a reader, two code points
        U&'Z\0351\036B\0343a\0347\0348\034Alg\033Bo',     -- many combining marks
        U&'\FB01sh \FF26\FF55\FF4C\FF4C \2460',           -- compatibility forms
        U&'\+01F52E \+01F9D8\+01F3FD\200D\2640\FE0F',     -- emoji with skin tone and joiner
        U&'\+01F468\200D\+01F469\200D\+01F467\200D\+01F466',  -- a family
        U&'\+01F1E8\+01F1ED',                             -- a flag: two regional indicators
        U&'\+02070E\+020731 \+010330',                    -- rare Han, Gothic
        U&'\+10FFFF',                                     -- the last code point
        U&'\E000\F8FF',                                   -- private use
        'שלום 42', 'مرحبا',                               -- right to left
        U&'abc\202Efed\202C',                             -- an override of direction
        U&'\200Bzero\200C\200Dwidth\FEFF',                -- invisible characters
        U&'\00A0no-break\3000ideographic\2028line',       -- spaces that trim() leaves
        U&'\FFFD\FFFF',                                   -- replacement, noncharacter
        E'\x01\x1f\x7f control',
        repeat('x', 100), repeat('雪', 100), repeat(U&'\+01F52E', 100)
    ],
    ARRAY[
        '-infinity', 'infinity', '4713-11-24 00:00:00 BC', '0044-03-15 12:00:00 BC',
        '0001-12-31 23:59:59.999999 BC', '0001-01-01', '1582-10-10', '1970-01-01 00:00:00.000001',
        '2024-02-29 12:34:56.789012', '9999-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999'
    ]::timestamp[],
    ARRAY[
        '-infinity', 'infinity', '4713-11-24 BC', '0044-03-15 BC', '0001-01-01', '1582-10-10',
        '2000-02-29', '9999-12-31', '5874897-12-31'
    ]::date[],
    ARRAY['00:00', '24:00', '23:59:59.999999', '00:00:00.000001', '12:00']::time[],
    ARRAY[
        NULL, 0, -1.5, 1.50, 'NaN', 1e-20, 123456789012345678901234567890.123456789,
        -0.000000000000000000000000000001
    ]::numeric[],
    ARRAY['{}', '{""}', '{NULL,"NULL"}', '{"a,b","c\"d","e\\f","{g}"}', '{"占い",🔮}'],
    ARRAY[
        NULL, 'null', '{}', '[]', '"text"', 'false', '0', '1e400', '[null, {"": [[]]}]',
        '{"theme": "dark", "font": 1.10, "null": null, "🔮": "🔮", "a.b": {"c": []}}'
    ]::jsonb[]
  ) AS odd (texts, moments, days, times, numbers, tags, documents);

-- A document in five out of six cases; of these one in 500 with a stale name, one in ten with an
-- account that is missing, empty or JSON null, and one in 50 quite empty.
INSERT INTO vibelife.unified_profiles (user_id, profile, created_at, updated_at)
SELECT u.id,
       CASE WHEN p.kind % 50 = 7 THEN '{}'::jsonb
            ELSE jsonb_build_object(
                     'skill_data', jsonb_build_object(
                         'tarot', jsonb_build_object('draws', p.kind % 100, 'last', NULL),
                         'bazi', jsonb_build_array(u.vibe_id, u.birth_place)
                     ),
                     'life_context', jsonb_build_object('mood', u.deletion_reason, 'goals', '[]')
                 )
              || CASE p.kind % 30
                     WHEN 0 THEN '{}'
                     WHEN 1 THEN '{"account": null}'
                     WHEN 2 THEN '{"account": {}, "preferences": {}}'
                     ELSE jsonb_build_object(
                              'account', jsonb_build_object(
                                  'badges', jsonb_build_array('early'),
                                  'display_name',
                                  CASE WHEN p.kind % 500 = 3
                                       THEN 'stale' ELSE u.display_name END
                              )
                          )
                 END
              || CASE p.kind % 4
                     WHEN 0 THEN jsonb_build_object('notes', u.birth_place)
                     WHEN 1 THEN '{"preferences": {"pinned": ["tarot"]}, "birth_info": null}'
                     ELSE '{}'
                 END
       END,
       u.created_at,
       u.updated_at
  FROM vibelife.vibe_users AS u
 CROSS JOIN LATERAL (SELECT pg_temp.cut(md5(u.vibe_id), 1, 7)::integer OFFSET 0) AS p (kind)
 WHERE p.kind % 6 > 0;

ALTER TABLE vibelife.vibe_users ENABLE TRIGGER trigger_sync_account_to_profile;

COMMIT;

ANALYZE vibelife.vibe_users, vibelife.unified_profiles;
