-- Tests vibelife_v5:dimensions_sync, right after it: the copy is open. Changes nothing; needs pgTAP
-- in the search path.

BEGIN;

SELECT plan(19);

CREATE FUNCTION pg_temp.id(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;
CREATE FUNCTION pg_temp.parts(p_number integer) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s %s', dimension_type, raw_data), ', ' ORDER BY dimension_type)
      FROM vibelife.dimension_profiles WHERE user_id = pg_temp.id(p_number);
$$;
CREATE FUNCTION pg_temp.drained() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_batch record;
    v_keys  bigint := 0;
BEGIN
    LOOP
        SELECT * INTO v_batch FROM pgtandem._drain_batch('dimensions');
        v_keys := v_keys + v_batch.settled;
        EXIT WHEN NOT v_batch.more;
    END LOOP;
    RETURN v_keys;
END;
$$;

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'dimensions' $$,
    $$ VALUES ('sync', 'open') $$,
    'the sync is on, the copy open'
);
SELECT bag_eq(
    $$ SELECT tgrelid::regclass, tgname::text, tgenabled::text
         FROM pg_catalog.pg_trigger AS t
         JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_dimensions'::regnamespace $$,
    $$ VALUES ('vibelife.user_profiles'::regclass, 'pgtandem_dimensions_write', 'A'),
              ('vibelife.user_profiles', 'pgtandem_dimensions_update', 'A'),
              ('vibelife.user_profiles', 'pgtandem_dimensions_moved', 'A'),
              ('vibelife.user_profiles', 'pgtandem_dimensions_truncate', 'A') $$,
    'all triggers fire in every replication role; none is on the new table'
);

INSERT INTO vibelife.vibe_users (vibe_id) SELECT pg_temp.id(n) FROM generate_series(1, 2) AS n;
SELECT is(pg_temp.drained(), 0::bigint, 'a user without a document queues nothing');
INSERT INTO vibelife.user_profiles (user_id, profile_data, created_at)
VALUES (pg_temp.id(1), '{"bazi": 1, "zodiac": 2, "mbti": 3}', '2025-01-01'),
       (pg_temp.id(2), NULL, '2025-01-01');
SELECT is(pg_temp.parts(1), NULL, 'a write only queues');
SELECT is(pg_temp.drained(), 2::bigint, 'its key, which a drain settles');
SELECT is(pg_temp.parts(1), 'bazi 1, zodiac 2', 'one row becomes two');
SELECT results_eq(
    $$ SELECT is_unlocked, unlocked_at, interpretation FROM vibelife.dimension_profiles
        WHERE user_id = pg_temp.id(1) AND dimension_type = 'bazi' $$,
    $$ VALUES (true, '2025-01-01'::timestamp, NULL::jsonb) $$,
    'unlocked since the document is there'
);

-- What the new application adds and owns.
INSERT INTO vibelife.dimension_profiles (user_id, dimension_type, raw_data)
VALUES (pg_temp.id(1), 'mbti', '"INFP"');
UPDATE vibelife.dimension_profiles
   SET is_unlocked = false, interpretation = '"strong"'
 WHERE user_id = pg_temp.id(1) AND dimension_type = 'bazi';
UPDATE vibelife.user_profiles SET profile_data = '{"bazi": 11, "zodiac": 2}'
 WHERE user_id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(pg_temp.parts(1), 'bazi 11, mbti "INFP", zodiac 2', 'a value that changes');
SELECT results_eq(
    $$ SELECT is_unlocked, interpretation FROM vibelife.dimension_profiles
        WHERE user_id = pg_temp.id(1) AND dimension_type = 'bazi' $$,
    $$ VALUES (false, '"strong"'::jsonb) $$,
    'what the new application owns stays'
);
UPDATE vibelife.user_profiles SET profile_data = profile_data - 'zodiac'
 WHERE user_id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(pg_temp.parts(1), 'bazi 11, mbti "INFP"', 'a key that is removed removes its row');
UPDATE vibelife.user_profiles SET profile_data = '{"bazi": null, "zodiac": {}}'
 WHERE user_id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(
    pg_temp.parts(1), 'mbti "INFP", zodiac {}', 'a null is no dimension, an empty object is one'
);
UPDATE vibelife.user_profiles SET updated_at = now() WHERE user_id = pg_temp.id(1);
SELECT is(pg_temp.drained(), 0::bigint, 'what nobody maps queues nothing');
DELETE FROM vibelife.user_profiles WHERE user_id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(
    pg_temp.parts(1), 'mbti "INFP"', 'a document that goes takes its rows, and no other'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'dimensions' AND attempts > 0 $$,
    'nothing failed'
);

SELECT throws_ok(
    $$ TRUNCATE vibelife.user_profiles $$, 'TD014',
    'vibelife.user_profiles is being moved by the mapping "dimensions" and cannot be truncated',
    'TD014: TRUNCATE'
);
SELECT results_eq(
    $$ SELECT count(*) FROM generate_series(0, 1000) AS b,
              pgtandem_dimensions.chunk_keys('vibelife.user_profiles', b, b + 1) $$,
    $$ SELECT count(*) FROM pgtandem_dimensions.image $$,
    'the keys of a range of blocks'
);
SELECT ok(
    NOT has_function_privilege('old_app', f.oid, 'EXECUTE')
    AND NOT has_function_privilege('new_app', f.oid, 'EXECUTE'),
    format('no application may call %s', f.oid)
)
  FROM (VALUES ('pgtandem_dimensions.settle(jsonb)'::regprocedure),
               ('pgtandem_dimensions.queue_extra()'),
               ('pgtandem_dimensions.copy_chunk(regclass, bigint, bigint, text)')) AS f (oid);

SELECT * FROM finish();

ROLLBACK;
