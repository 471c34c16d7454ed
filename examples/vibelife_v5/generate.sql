-- Fills the old system with users, conversations and payments as they are found in real databases.
--
--     psql -f generate.sql                                  3,000 users, 30,000 messages
--     psql -v users=1000000 -v messages=10000000 -f generate.sql
--
-- The same numbers give the same rows, on any server: everything is cut from the md5 of the row's
-- number, nothing from a clock or a generator. As with random UUIDs, the order of the keys is not
-- the order of the heap. The database must be encoded in UTF-8. Fails, and changes nothing, where
-- there is a user already. Takes ACCESS EXCLUSIVE on all tables: for a database nobody uses yet.
--
-- What to expect, whatever the numbers are (there are never fewer than 80 users and 1,936
-- messages):
--
--   users 1 to 80    exactly 1, 2, 3, 4, 13, 14, 15, 59, 60 and 61 active days, each with eight
--                    kinds of payers; messages at 00:00:00 and 23:59:59.999999
--   of the others    one in 20 has nothing at all, about half have never talked, some have only
--                    messages of the assistant; some have a yearly and a monthly subscription,
--                    two monthly ones, one that is "active" and over, or active without an end;
--                    payments completed, pending, failed, refunded, two at one instant, refunded
--                    after another was completed; messages just before and after midnight
--   profile_data     NULL, JSON null, empty, no object at all, keys missing, null, empty or of the
--                    wrong type, odd Unicode

\set ON_ERROR_STOP on
\if :{?users}
\else
    \set users 3000
\endif
\if :{?messages}
\else
    \set messages 30000
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

CREATE FUNCTION pg_temp.id_of(p_kind text, p_number bigint)
RETURNS uuid
LANGUAGE sql IMMUTABLE
RETURN md5('vibe ' || p_kind || ' ' || p_number)::uuid;

-- The first 80 users are the exact ones; conversations of the others are shared among 19 of 20.
SELECT greatest(:users, 80) AS users,
       greatest(:messages, 1936) - 1936 AS messages,
       (greatest(:users, 80) - 80) / 20 * 19
         + least((greatest(:users, 80) - 80) % 20, 19) AS talking
\gset
SELECT CASE WHEN :talking > 0 THEN greatest(:messages / 10, least(:messages, 1)) ELSE 0 END AS talks
\gset

-- Foreign keys and indexes of the large tables are made once for all rows, not for each of them.
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS undo,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
              pg_get_constraintdef(oid)) AS redo,
       contype = 'f' AS late
  INTO TEMPORARY made_again
  FROM pg_catalog.pg_constraint
 WHERE connamespace = 'vibelife'::regnamespace
   AND (contype = 'f' OR conname IN ('messages_pkey'))
UNION ALL
SELECT format('DROP INDEX %s', i.indexrelid::regclass),
       format('%s; COMMENT ON INDEX %s IS %L', pg_get_indexdef(i.indexrelid),
              i.indexrelid::regclass, obj_description(i.indexrelid)),
       false
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
 WHERE c.relnamespace = 'vibelife'::regnamespace AND NOT i.indisunique;
SELECT undo FROM made_again ORDER BY late DESC, undo \gexec

-- OFFSET 0 below keeps the planner from computing an md5 again wherever it is mentioned.
INSERT INTO vibelife.vibe_users (vibe_id, email, status, created_at, updated_at)
SELECT m.md5::uuid,
       CASE WHEN n % 7 > 0
            THEN format('user%s@example.%s', n, (ARRAY['com', 'org', 'net'])[1 + n % 3]) END,
       CASE WHEN n % 7 = 0 THEN 'guest' WHEN n % 97 = 0 THEN 'suspended'
            WHEN n % 101 = 0 THEN 'deleted' ELSE 'active' END,
       c.created_at,
       c.created_at + pg_temp.cut(m.md5, 21, 6) * interval '1 second'
  FROM generate_series(1, :users) AS n
 CROSS JOIN LATERAL (SELECT pg_temp.id_of('user', n)::text OFFSET 0) AS i (id)
 CROSS JOIN LATERAL (SELECT replace(i.id, '-', '')) AS m (md5)
 CROSS JOIN LATERAL (
    SELECT CASE WHEN n % 211 = 0
                THEN (ARRAY['-infinity', '1970-01-01', '2024-02-29 23:59:59.999999',
                            '9999-12-31'])[1 + n / 211 % 4]::timestamp
                ELSE timestamp '2022-01-01'
                  + pg_temp.cut(m.md5, 9, 12) % 47000000000000 * interval '1 microsecond'
           END
    OFFSET 0
  ) AS c (created_at);

-- The exact users: one conversation, one message of the user on each of their days, and on the
-- first of them one more.
CREATE TEMPORARY TABLE exact AS
SELECT n, (ARRAY[1, 2, 3, 4, 13, 14, 15, 59, 60, 61])[1 + (n - 1) % 10] AS days,
       (n - 1) / 10 AS payer,
       timestamp '2025-01-01' + n * interval '1 day' AS first_day
  FROM generate_series(1, 80) AS n;

INSERT INTO vibelife.conversations (id, user_id, title, created_at)
SELECT pg_temp.id_of('exact conversation', n), pg_temp.id_of('user', n),
       format('%s days', days), first_day
  FROM exact;

INSERT INTO vibelife.messages (id, conversation_id, role, content, created_at)
SELECT pg_temp.id_of('exact message', n * 100 + d), pg_temp.id_of('exact conversation', n), 'user',
       format('day %s of %s', d + 1, days),
       first_day + d * interval '1 day'
         + (ARRAY['00:00:00', '23:59:59.999999', '12:00:00'])[1 + d % 3]::interval
  FROM exact
 CROSS JOIN LATERAL generate_series(0, days - 1) AS d
UNION ALL
SELECT pg_temp.id_of('exact message', n * 100 + 99), pg_temp.id_of('exact conversation', n),
       'user', 'the same day again', first_day + interval '23:59:59.999999'
  FROM exact;

-- The others: few users talk much, many talk little. Numbers divisible by 20 have nothing.
INSERT INTO vibelife.conversations (id, user_id, title, created_at)
SELECT m.md5::uuid, pg_temp.id_of('user', u.number),
       CASE n % 8 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'About ' || substr(m.md5, 1, 6) END,
       timestamp '2023-06-01'
         + pg_temp.cut(m.md5, 9, 12) % 70000000000000 * interval '1 microsecond'
  FROM generate_series(1, :talks) AS n
 CROSS JOIN LATERAL (
    SELECT replace(pg_temp.id_of('conversation', n)::text, '-', '') OFFSET 0
  ) AS m (md5)
 CROSS JOIN LATERAL (
    SELECT floor(:talking * (pg_temp.cut(m.md5, 1, 8) / 4294967296.0::float) ^ 2)::bigint OFFSET 0
  ) AS k (place)
 CROSS JOIN LATERAL (SELECT 81 + 20 * (k.place / 19) + k.place % 19 OFFSET 0) AS u (number);

-- Message n is the (n / talks)th of its conversation, so the heap is in the order of time, roughly,
-- and not in that of conversations. Every second one answers, within seconds, the one before.
INSERT INTO vibelife.messages (id, conversation_id, role, content, created_at)
SELECT pg_temp.id_of('message', n), c.id,
       CASE WHEN u.silent OR p.place % 2 = 1 THEN 'assistant' ELSE 'user' END,
       CASE WHEN n % 16 = 0 THEN odd.texts[1 + (n / 16) % cardinality(odd.texts)]
            ELSE repeat('What will the day bring? ', 1 + (n % 6)::integer) || n END,
       CASE WHEN c.number % 50 = 0
            -- Around midnight: the question a moment before, the answer a moment after.
            THEN date_trunc('day', c.created_at) + p.place / 2 * interval '1 day'
              + CASE p.place % 2 WHEN 0 THEN interval '-1 microsecond' ELSE interval '0' END
            ELSE c.created_at + p.place / 2 * (1 + c.number % 40) * interval '1 hour'
              + p.place % 2 * interval '7 seconds'
       END
  FROM (
    SELECT row_number() OVER (ORDER BY id) - 1 AS number, id, user_id, created_at
      FROM vibelife.conversations
     WHERE id NOT IN (SELECT pg_temp.id_of('exact conversation', x.n) FROM exact AS x)
  ) AS c
  JOIN generate_series(0, :messages - 1) AS n ON n % greatest(:talks, 1) = c.number
 CROSS JOIN LATERAL (SELECT n / greatest(:talks, 1) OFFSET 0) AS p (place)
 CROSS JOIN LATERAL (SELECT get_byte(uuid_send(c.user_id), 15) % 20 = 1) AS u (silent)
 CROSS JOIN (
    SELECT ARRAY[
        '', ' ', E'tab\tand\nline\r\nends', 'NULL', '\N', '{"role": "user"}', '%s $1 %(name)s',
        'It''s "quoted" \ and back', 'Robert''); DROP TABLE messages;--',
        U&'cafe\0301', U&'\+01F52E \+01F9D8\+01F3FD\200D\2640\FE0F', U&'abc\202Efed\202C',
        U&'\200Bzero\200C\200Dwidth\FEFF', U&'\FFFD\FFFF', E'\x01\x1f\x7f control',
        repeat('今天运势如何？', 40)
    ]
  ) AS odd (texts);

INSERT INTO vibelife.subscription_plans (id, name, plan_type, price, created_at)
SELECT pg_temp.id_of('plan', n), p.name, p.plan_type, p.price, timestamp '2022-01-01'
  FROM (VALUES (1, '月度会员', 'monthly', 28), (2, '年度会员', 'yearly', 268),
               (3, 'Student''s month', 'monthly', 0), (4, 'Founders 🔮', 'yearly', 99999999.99))
    AS p (n, name, plan_type, price);

-- Which kind of subscriber: 20 kinds, of which 9 to 19 have none; the exact users are payers only.
INSERT INTO vibelife.subscriptions (
    id, user_id, plan_type, status, started_at, expires_at, created_at
)
SELECT pg_temp.id_of('subscription', n * 10 + s.place), u.id, s.plan_type, s.status,
       b.since, s.expires_at, b.since
  FROM generate_series(1, :users) AS n
 CROSS JOIN LATERAL (SELECT pg_temp.id_of('user', n) OFFSET 0) AS u (id)
 CROSS JOIN LATERAL (
    SELECT CASE WHEN n <= 80 AND (n - 1) / 10 = 7 THEN 3
                WHEN n <= 80 OR n % 20 = 0 THEN 19
                ELSE get_byte(uuid_send(u.id), 7) % 20 END
    OFFSET 0
  ) AS k (kind)
  JOIN (VALUES
    (0, 1, 'monthly', 'active',    timestamp '2099-12-31'),
    (1, 1, 'yearly',  'active',    timestamp '2099-12-31'),
    -- Both, the monthly one first; and both, the yearly one first and sooner over.
    (2, 1, 'monthly', 'active',    timestamp '2099-12-31'),
    (2, 2, 'yearly',  'active',    timestamp '2099-06-30'),
    -- Over, but nobody has said so.
    (3, 1, 'monthly', 'active',    timestamp '2024-03-31 23:59:59.999999'),
    (4, 1, 'yearly',  'active',    timestamp '2024-02-29'),
    (4, 2, 'monthly', 'active',    timestamp '2099-12-31'),
    -- Cancelled, and still paid for; expired.
    (5, 1, 'yearly',  'cancelled', timestamp '2099-12-31'),
    (6, 1, 'monthly', 'expired',   timestamp '2024-01-31'),
    -- Two alike, without an end.
    (7, 1, 'monthly', 'active',    NULL),
    (7, 2, 'monthly', 'active',    timestamp 'infinity'),
    (8, 1, 'yearly',  'active',    NULL)
  ) AS s (kind, place, plan_type, status, expires_at) ON s.kind = k.kind
 CROSS JOIN LATERAL (
    SELECT timestamp '2024-01-01' + n % 300 * interval '1 day'
             + CASE WHEN n % 3 > 0 THEN s.place * interval '1 hour' ELSE interval '0' END
    OFFSET 0
  ) AS b (since);

-- Which kind of payer: 0 never paid; in the exact users each of the eight.
INSERT INTO vibelife.payments (id, user_id, amount, status, created_at, completed_at)
SELECT pg_temp.id_of('payment', n * 10 + p.place), u.id,
       (ARRAY[0, 0.01, 28, 28, 268, 99999999.99])[1 + (n + p.place) % 6], p.status,
       b.since + p.later, b.since + p.later + p.took
  FROM generate_series(1, :users) AS n
 CROSS JOIN LATERAL (SELECT pg_temp.id_of('user', n) OFFSET 0) AS u (id)
 CROSS JOIN LATERAL (
    SELECT CASE WHEN n <= 80 THEN (n - 1) / 10
                WHEN n % 20 = 0 THEN 0
                ELSE get_byte(uuid_send(u.id), 9) % 16 END
    OFFSET 0
  ) AS k (kind)
  JOIN (VALUES
    (1, 1, 'completed', interval '0',           interval '3 seconds'),
    (2, 1, 'refunded',  interval '0',           interval '3 seconds'),
    (3, 1, 'pending',   interval '0',           NULL),
    (4, 1, 'failed',    interval '0',           NULL),
    -- Two at one instant.
    (5, 1, 'completed', interval '0',           interval '0'),
    (5, 2, 'completed', interval '0',           interval '0'),
    -- One completed, a later one refunded.
    (6, 1, 'completed', interval '0',           interval '1 day'),
    (6, 2, 'refunded',  interval '1 month',     interval '0.000001 seconds'),
    (7, 1, 'completed', interval '-2 years',    interval '3 seconds')
  ) AS p (kind, place, status, later, took) ON p.kind = k.kind
 CROSS JOIN LATERAL (
    SELECT timestamp '2024-06-01' + n % 400 * interval '1 day 1 second' OFFSET 0
  ) AS b (since);

-- A document for three users in four. The kinds 0 to 15 are the odd ones: of 64.
INSERT INTO vibelife.user_profiles (user_id, profile_data, created_at, updated_at)
SELECT u.id,
       CASE WHEN k.kind < cardinality(odd.documents) THEN odd.documents[1 + k.kind]
            ELSE CASE WHEN k.kind % 3 > 0 THEN jsonb_build_object('bazi', jsonb_build_object(
                     'year', (ARRAY['甲子', '乙丑', '丙寅'])[1 + n % 3], 'hour', NULL,
                     'pillars', jsonb_build_array(n % 10, n % 12))) ELSE '{}' END
              || CASE WHEN k.kind % 4 > 0 THEN jsonb_build_object('zodiac', jsonb_build_object(
                     'sun', (ARRAY['aries', 'taurus', 'gemini', 'cancer'])[1 + n % 4],
                     'rising', 1.50)) ELSE '{}' END
              || CASE WHEN k.kind % 5 = 0 THEN jsonb_build_object('mbti', 'INFP', 'n', n)
                      ELSE '{}' END
       END,
       timestamp '2024-01-01' + n % 500 * interval '1 day',
       timestamp '2025-01-01' + n % 300 * interval '1 day'
  FROM generate_series(1, :users) AS n
 CROSS JOIN LATERAL (SELECT pg_temp.id_of('user', n) OFFSET 0) AS u (id)
 CROSS JOIN LATERAL (
    SELECT CASE WHEN n <= 80 THEN n % 64 ELSE get_byte(uuid_send(u.id), 11) % 64 END OFFSET 0
  ) AS k (kind)
 CROSS JOIN (
    SELECT ARRAY[
        NULL, 'null', '{}', '[]', '["bazi", "zodiac"]', '"bazi"', '0', 'false',
        '{"bazi": null}', '{"bazi": {}, "zodiac": null}', '{"bazi": [], "zodiac": "Leo"}',
        '{"Bazi": {"a": 1}, " zodiac": {}, "bazi.zodiac": {"bazi": {}}}',
        '{"bazi": 0, "zodiac": false, "": {}}',
        '{"zodiac": {"🔮": "é é", "‮": "‏", "null": null}}',
        '{"bazi": {"bazi": {"bazi": null}}, "zodiac": [[[]]], "塔罗": {"牌": "愚者"}}',
        '{"bazi": {"\\u0001": "\\u001f\"\\\\ \\ud83d\\udd2e", "n": 123456789012345678901234567890}}'
    ]::jsonb[]
  ) AS odd (documents)
 WHERE n % 4 > 0 AND n % 20 > 0;

SELECT redo FROM made_again ORDER BY late, redo \gexec

COMMIT;

DROP TABLE exact, made_again;

ANALYZE vibelife.vibe_users, vibelife.conversations, vibelife.messages,
        vibelife.subscription_plans, vibelife.subscriptions, vibelife.payments,
        vibelife.user_profiles;
