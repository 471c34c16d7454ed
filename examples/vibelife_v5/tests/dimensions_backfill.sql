-- Tests vibelife_v5:dimensions_backfill, right after it: the copy is complete. Changes nothing;
-- needs pgTAP in the search path.

BEGIN;

SELECT plan(11);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'dimensions' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_dimensions.compared()
        WHERE changed OR NOT in_source OR NOT in_target $$,
    'both sides agree'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.chunk
        WHERE mapping = 'dimensions' AND (done_at IS NULL OR set_aside > 0) $$,
    'every chunk is done, and no row was set aside'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'dimensions' $$, 'the queue is empty'
);
SELECT results_eq(
    $$ SELECT percent, failed, workers FROM pgtandem.progress WHERE mapping = 'dimensions' $$,
    $$ VALUES (100.0::numeric, 0::bigint, 0::bigint) $$,
    'which can be seen'
);
SELECT is(
    (SELECT tgenabled::text FROM pg_catalog.pg_trigger
      WHERE tgrelid = 'vibelife.user_profiles'::regclass AND tgname = 'pgtandem_dimensions_moved'),
    'D', 'rows may move to other blocks, unseen'
);

-- The same, said in other words than the mapping's.
SELECT bag_eq(
    $$ SELECT user_id, dimension_type::text, raw_data FROM vibelife.dimension_profiles $$,
    $$ SELECT user_id, kind, profile_data -> kind
         FROM vibelife.user_profiles, (VALUES ('bazi'), ('zodiac')) AS k (kind)
        WHERE jsonb_typeof(profile_data) = 'object'
          AND jsonb_typeof(profile_data -> kind) <> 'null' $$,
    'everybody has what the documents say, and nothing else'
);
SELECT is_empty(
    $$ SELECT FROM vibelife.dimension_profiles WHERE NOT is_unlocked OR unlocked_at IS NULL $$,
    'all of it unlocked'
);

-- The sync goes on.
INSERT INTO vibelife.vibe_users (vibe_id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO vibelife.user_profiles (user_id, profile_data)
VALUES ('00000000-0000-4000-8000-000000000001', '{"bazi": 1, "zodiac": 2}');
UPDATE vibelife.user_profiles SET profile_data = profile_data - 'bazi'
 WHERE user_id = '00000000-0000-4000-8000-000000000001';
SELECT lives_ok($$ SELECT pgtandem._drain_batch('dimensions') $$, 'a drain');
SELECT results_eq(
    $$ SELECT dimension_type::text, raw_data FROM vibelife.dimension_profiles
        WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    $$ VALUES ('zodiac', '2'::jsonb) $$,
    'brings a new document over, as it is by now'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'dimensions' $$,
    'and needs no second look any more'
);

SELECT * FROM finish();

ROLLBACK;
