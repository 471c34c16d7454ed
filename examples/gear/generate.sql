-- Fills the old system with people and equipment as they are found in real databases.
--
--     psql -f generate.sql                                 3,000 users, 10,000 items
--     psql -v users=100000 -v items=1000000 -f generate.sql
--
-- The same numbers give the same rows, on any server: everything is cut from the md5 of the row's
-- number, nothing from a clock or a generator. As with random UUIDs, the order of the keys is not
-- the order of the heap. The database must be encoded in UTF-8. Fails, and changes nothing, where
-- either table holds a row already. Takes ACCESS EXCLUSIVE on both: for a database nobody uses yet.
--
-- What to expect among the items: NULL and empty types and brands, many equal names, empty names,
-- names with spaces around them or 200 characters long, emoji, combining marks, right-to-left and
-- invisible characters, text that looks like SQL, dates before Christ and at both infinities.

\set ON_ERROR_STOP on
\if :{?users}
\else
    \set users 3000
\endif
\if :{?items}
\else
    \set items 10000
\endif

BEGIN;

-- Literals below are read alike whatever the session's own settings are.
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';

DO $$
BEGIN
    IF EXISTS (SELECT FROM user_core.users) OR EXISTS (SELECT FROM user_core.old_equipment) THEN
        RAISE EXCEPTION 'user_core.users and user_core.old_equipment are not empty'
            USING ERRCODE = 'TD902', HINT = 'Generate into a fresh database: psql -f legacy.sql.';
    END IF;
END;
$$;

CREATE FUNCTION pg_temp.cut(p_md5 text, p_from integer, p_length integer)
RETURNS bigint
LANGUAGE sql IMMUTABLE
-- The number that p_length hexadecimal digits (at most 15) of p_md5 stand for.
RETURN ('x' || lpad(substr(p_md5, p_from, p_length), 16, '0'))::bit(64)::bigint;

-- OFFSET 0 below keeps the planner from computing an md5 again wherever it is mentioned.
INSERT INTO user_core.users (id, name, email, created_at)
SELECT m.md5::uuid,
       CASE WHEN n % 50 = 0
            THEN odd.names[1 + (n / 50) % cardinality(odd.names)]
            ELSE plain.given[1 + pg_temp.cut(m.md5, 1, 4) % cardinality(plain.given)] || ' '
              || plain.family[1 + pg_temp.cut(m.md5, 5, 4) % cardinality(plain.family)]
       END,
       format('user%s@example.%s', n, (ARRAY['com', 'org', 'net'])[1 + n % 3]),
       timestamptz '2012-01-01'
         + pg_temp.cut(m.md5, 9, 12) % 437961600000000 * interval '1 microsecond'
  FROM generate_series(1, :users) AS n
 CROSS JOIN LATERAL (SELECT md5('gear user ' || n) OFFSET 0) AS m (md5)
 CROSS JOIN (
    SELECT ARRAY['Ana', 'Bo', 'Chloé', 'Dmitri', 'Eirik', 'Fatima', 'Goran', 'Hana',
                 'Ines', 'Jun'],
           ARRAY['Alvarez', 'Berg', 'Chen', 'Dubois', 'Eriksen', 'Ferrari', 'García', 'Novák',
                 'Sato', 'O''Neill', 'van den Berg', 'Zhang']
  ) AS plain (given, family)
 CROSS JOIN (
    SELECT ARRAY['', ' ', '陈大文', 'محمد', 'דָּוִד', 'Zoe' || U&'\0308', 'Zo' || U&'\00EB',
                 'X Æ A-12', 'Robert''); DROP TABLE users;--', 'NULL', 'null',
                 U&'\+01F9D7\200D\2640\FE0F']
  ) AS odd (names);

-- The foreign key is checked once for all rows, not once for each of them.
SELECT conname AS fkey, pg_get_constraintdef(oid) AS fkey_definition
  FROM pg_catalog.pg_constraint
 WHERE conrelid = 'user_core.old_equipment'::regclass AND contype = 'f'
\gset
ALTER TABLE user_core.old_equipment DROP CONSTRAINT :"fkey";

INSERT INTO user_core.old_equipment (id, user_id, name, type, brand, created_at, last_viewed_at)
SELECT m.md5::uuid,
       md5('gear user ' || 1 + pg_temp.cut(m.md5, 1, 8) % :users)::uuid,
       CASE WHEN p.name < 16      -- of 256: one name in 16 is odd
            THEN odd.names[1 + pg_temp.cut(m.md5, 11, 4) % cardinality(odd.names)]
            WHEN p.name < 128     -- about half are told apart by their owners only
            THEN plain.things[1 + pg_temp.cut(m.md5, 11, 4) % cardinality(plain.things)]
            ELSE plain.things[1 + pg_temp.cut(m.md5, 11, 4) % cardinality(plain.things)]
              || ' ' || pg_temp.cut(m.md5, 15, 3)
       END,
       plain.types[1 + pg_temp.cut(m.md5, 18, 3) % cardinality(plain.types)],
       plain.brands[1 + pg_temp.cut(m.md5, 21, 3) % cardinality(plain.brands)],
       CASE WHEN p.odd_date < 32   -- of 4,096: one date in 128 is odd
            THEN odd.dates[1 + n % cardinality(odd.dates)]
            ELSE timestamptz '2012-01-01' + p.created * interval '1 microsecond'
       END,
       CASE WHEN p.name % 3 > 0
            THEN timestamptz '2012-01-01'
              + (p.created + pg_temp.cut(m.md5, 24, 9)) * interval '1 microsecond'
       END
  FROM generate_series(1, :items) AS n
 CROSS JOIN LATERAL (SELECT md5('gear item ' || n) OFFSET 0) AS m (md5)
 CROSS JOIN LATERAL (      -- dates up to 2025-11-16, in microseconds
    SELECT pg_temp.cut(m.md5, 9, 2), pg_temp.cut(m.md5, 30, 3),
           pg_temp.cut(m.md5, 16, 13) % 437961600000000
    OFFSET 0
  ) AS p (name, odd_date, created)
 CROSS JOIN (
    SELECT ARRAY['Tent', 'Sleeping bag', 'Rope 60 m', 'Ice axe', 'Harness', 'Helmet', 'Head torch',
                 'Stove', 'Crampons', 'Rucksack 45 l', 'Carabiner', 'Belay device', '登山包', '冲锋衣',
                 'Kletterschuhe'],
           ARRAY[NULL, '', 'shelter', 'Shelter', 'SHELTER', 'shelter ', 'climbing', 'cooking',
                 'clothing', 'lighting', '安全装备', 'n/a', 'sleep', repeat('é', 50)],
           ARRAY[NULL, NULL, '', 'Petzl', 'petzl', 'Black Diamond', 'MSR', 'Fjällräven',
                 'Arc''teryx', 'Primus', 'La Sportiva', '凯乐石', 'Ünal & Søn "Outdoor"',
                 repeat('b', 100)]
  ) AS plain (things, types, brands)
 CROSS JOIN (
    SELECT ARRAY[
        '',
        ' ',
        '  leading',
        'trailing  ',
        E'tab\tand\nline\r\nends',
        'NULL', 'null', '\N', '{}', '[]', '0', 'false', '%s', '$1', ':name', '%(name)s',
        'It''s "quoted" \ and back',
        'Robert''); DROP TABLE old_equipment;--',
        U&'caf\00E9',                                     -- one code point
        U&'cafe\0301',                                    -- the same to a reader, two code points
        U&'Z\0351\036B\0343a\0347\0348\034Alg\033Bo',     -- many combining marks
        U&'\FB01sh \FF26\FF55\FF4C\FF4C \2460',           -- compatibility forms
        U&'\+01F3D5\FE0F camping',                        -- emoji with a variation selector
        U&'\+01F468\200D\+01F469\200D\+01F467\200D\+01F466',  -- a family: four emoji, three joiners
        U&'\+01F9D7\+01F3FD\200D\2640\FE0F',              -- climber, skin tone, joiner
        U&'\+01F1F3\+01F1F4',                             -- a flag: two regional indicators
        U&'\+01D406\+01D41E\+01D41A\+01D42B',             -- letters of the astral planes
        U&'\+02070E\+020731 \+010330',                    -- rare Han, Gothic
        U&'\+10FFFF',                                     -- the last code point
        U&'\E000\F8FF',                                   -- private use
        'חבל טיפוס 60 m',                                  -- right to left, with digits
        'حبل تسلق',
        U&'abc\202Efed\202C',                             -- an override of direction
        U&'\200Bzero\200C\200Dwidth\FEFF',                -- invisible characters
        U&'\00A0no-break\3000ideographic\2028line',       -- spaces that trim() leaves
        U&'\FFFD\FFFF',                                   -- replacement, noncharacter
        'İstanbul ıIiİ', 'Straße STRASSE', 'เต็นท์', 'खेमा',
        E'\x01\x1f\x7f control',
        repeat('x', 200),
        repeat('雪', 200),
        repeat(U&'\+01F3D4', 200),
        repeat(' ', 199) || '.'
    ],
    ARRAY[
        '-infinity', 'infinity',
        '4713-11-24 00:00:00 BC', '0044-03-15 12:00:00 BC', '0001-12-31 23:59:59.999999 BC',
        '0001-01-01', '1582-10-10', '1883-11-18 12:00:00-05',
        '1969-12-31 23:59:59.999999', '1970-01-01', '1970-01-01 00:00:00.000001',
        '2000-01-01', '2016-12-31 23:59:59.999999', '2024-02-29 12:34:56.789012',
        '2025-10-26 01:30:00+02', '2025-10-26 01:30:00+01',
        '2038-01-19 03:14:08', '9999-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999'
    ]::timestamptz[]
  ) AS odd (names, dates);

ALTER TABLE user_core.old_equipment ADD CONSTRAINT :"fkey" :fkey_definition;

COMMIT;

ANALYZE user_core.users, user_core.old_equipment;
