-- Tests unified_profiles:unified_profiles_backfill, right after it: the copy is complete. Changes
-- nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(9);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'unified_profiles' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_unified_profiles.compared()
       WHERE changed OR NOT in_source OR NOT in_target $$,
    'both sides agree'
);
SELECT is_empty(
    $$ SELECT id FROM vibelife.vibe_users EXCEPT SELECT user_id FROM vibelife.unified_profiles $$,
    'every user has a profile'
);
SELECT is_empty(
    $$ SELECT FROM vibelife.unified_profiles
       WHERE profile #>> '{account,display_name}' = 'stale' $$,
    'the names that migration 019 let go stale are mended'
);
SELECT isnt_empty(
    $$ SELECT FROM vibelife.unified_profiles
       WHERE profile @> '{"account": {"badges": ["early"]}}' $$,
    'what others keep in account is there'
);
SELECT isnt_empty(
    $$ SELECT FROM vibelife.unified_profiles
       WHERE profile @> '{"preferences": {"pinned": ["tarot"]}}' $$,
    'and in preferences'
);
SELECT is(
    (SELECT count(DISTINCT jsonb_typeof(profile #> '{skill_data,bazi}'))
     FROM vibelife.unified_profiles
     WHERE profile ? 'skill_data' AND jsonb_array_length(profile #> '{skill_data,bazi}') = 2),
    1::bigint, 'and skill_data is whole'
);
SELECT is_empty($$ SELECT FROM pgtandem.recheck WHERE mapping = 'unified_profiles' $$,
                'the queue is empty');
SELECT is(
    (SELECT tgenabled::text FROM pg_catalog.pg_trigger
     WHERE tgrelid = 'vibelife.vibe_users'::regclass
       AND tgname = 'trigger_sync_account_to_profile_moved'),
    'D', 'rows may move to other blocks, unseen'
);

SELECT * FROM finish();

ROLLBACK;
