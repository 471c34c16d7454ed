-- Tests vibelife_v5:dimensions_expand, right after it: there are no dimensions yet. Changes
-- nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(14);

SELECT columns_are('pgtandem_dimensions', 'image', ARRAY[
    'user_id', 'dimension_type', 'raw_data', 'is_unlocked', 'unlocked_at'
]);
SELECT isnt(obj_description(o.oid, o.catalog), NULL, o.what || ' has a comment')
  FROM (VALUES
    ('pgtandem_dimensions'::regnamespace::oid, 'pg_namespace', 'the schema'),
    ('pgtandem_dimensions.image'::regclass, 'pg_class', 'the image'),
    ('pgtandem_dimensions.compared(uuid, uuid)'::regprocedure, 'pg_proc', 'compared'),
    ('pgtandem_dimensions.compared_keys(jsonb)'::regprocedure, 'pg_proc', 'compared_keys')
  ) AS o (oid, catalog, what);
SELECT results_eq(
    $$ SELECT source, target, key, settings #>> '{sync,mode}'
         FROM pgtandem.mapping WHERE name = 'dimensions' $$,
    $$ VALUES ('vibelife.user_profiles'::regclass, 'vibelife.dimension_profiles'::regclass,
               ARRAY['user_id', 'dimension_type'], 'queued') $$,
    'the database knows the mapping'
);

CREATE FUNCTION pg_temp.id(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;
INSERT INTO vibelife.vibe_users (vibe_id) SELECT pg_temp.id(n) FROM generate_series(1, 9) AS n;
INSERT INTO vibelife.user_profiles (user_id, profile_data, created_at)
SELECT pg_temp.id(p.n), p.profile_data, '2025-01-01'
  FROM (VALUES
    (1, '{"bazi": {"year": "甲子"}, "zodiac": {"sun": "leo"}, "mbti": "INFP"}'::jsonb),
    (2, '{"bazi": {}}'), (3, '{"zodiac": "Leo", "bazi": null}'), (4, '{"bazi": 0}'),
    (5, NULL), (6, 'null'), (7, '["bazi", "zodiac"]'), (8, '"bazi"'), (9, '{"Bazi": {}}')
  ) AS p (n, profile_data);

SELECT results_eq(
    $$ SELECT right(user_id::text, 12)::integer, dimension_type::text, raw_data
         FROM pgtandem_dimensions.image
        WHERE user_id BETWEEN pg_temp.id(1) AND pg_temp.id(9) ORDER BY 1, 2 $$,
    $$ VALUES (1, 'bazi', '{"year": "甲子"}'::jsonb), (1, 'zodiac', '{"sun": "leo"}'),
              (2, 'bazi', '{}'), (3, 'zodiac', '"Leo"'), (4, 'bazi', '0') $$,
    'a row becomes two, one or none; whatever the document is'
);
SELECT results_eq(
    $$ SELECT DISTINCT is_unlocked, unlocked_at FROM pgtandem_dimensions.image
        WHERE user_id BETWEEN pg_temp.id(1) AND pg_temp.id(9) $$,
    $$ VALUES (true, '2025-01-01'::timestamp) $$,
    'unlocked since the document is there'
);

-- What the new application writes by itself.
INSERT INTO vibelife.dimension_profiles (user_id, dimension_type, raw_data)
VALUES (pg_temp.id(1), 'mbti', '"INFP"'), (pg_temp.id(1), 'bazi', '{"year": "乙丑"}'),
       (pg_temp.id(5), 'bazi', '{}');
SELECT results_eq(
    $$ SELECT right(key ->> 0, 12)::integer, key ->> 1, in_source, in_target, changed
         FROM pgtandem_dimensions.compared(pg_temp.id(1), pg_temp.id(6)) ORDER BY 1, 2 $$,
    $$ VALUES (1, 'bazi', true, true, true), (1, 'zodiac', true, false, false),
              (2, 'bazi', true, false, false), (3, 'zodiac', true, false, false),
              (4, 'bazi', true, false, false), (5, 'bazi', false, true, false) $$,
    'a comparison finds what is missing, changed and extra; mbti is the new application''s own'
);
SELECT is(
    (SELECT array_agg(p.proparallel::text) FROM pg_catalog.pg_proc AS p
      WHERE p.pronamespace = 'pgtandem_dimensions'::regnamespace AND p.proname LIKE 'compared%'),
    ARRAY['s', 's'], 'comparisons may run in parallel'
);

-- What the phases before the triggers refuse.
SELECT throws_ok(
    $$ SELECT pgtandem._backfill_start('dimensions', NULL) $$, 'TD007', NULL,
    'TD007: nothing to backfill'
);
SELECT throws_ok(
    $$ SELECT pgtandem._drain_check('dimensions') $$, 'TD006', NULL, 'TD006: nothing to drain'
);
SELECT throws_ok(
    $$ SELECT pgtandem.require_complete('dimensions') $$, 'TD019', NULL,
    'TD019: nothing is complete'
);
SELECT lives_ok(
    $$ SELECT pgtandem.forget_mapping('dimensions') $$, 'the mapping can still be forgotten'
);

SELECT * FROM finish();

ROLLBACK;
