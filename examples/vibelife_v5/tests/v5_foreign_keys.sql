-- Tests vibelife_v5:v5_foreign_keys. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(13);

SELECT fk_ok('vibelife', t.name, 'user_id', 'vibelife', 'vibe_users', 'vibe_id')
  FROM (VALUES ('user_preferences'), ('identity_prism'), ('dimension_profiles'), ('user_memories'),
               ('life_events'), ('daily_rituals'), ('user_entitlements'), ('push_subscriptions'))
    AS t (name);
SELECT throws_ok(
    $$ INSERT INTO vibelife.user_preferences (user_id)
       VALUES ('00000000-0000-4000-8000-00000000000f') $$,
    '23503', NULL, 'a row of nobody is not taken'
);

-- A user with a row in each of the tables.
INSERT INTO vibelife.vibe_users (vibe_id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO vibelife.user_preferences (user_id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO vibelife.user_entitlements (user_id) VALUES ('00000000-0000-4000-8000-000000000001')
    ON CONFLICT DO NOTHING;
INSERT INTO vibelife.identity_prism (user_id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO vibelife.dimension_profiles (user_id, dimension_type, raw_data)
VALUES ('00000000-0000-4000-8000-000000000001', 'mbti', '{}');
INSERT INTO vibelife.daily_rituals (user_id, ritual_date)
VALUES ('00000000-0000-4000-8000-000000000001', '2026-12-01');
INSERT INTO vibelife.push_subscriptions (user_id, channel, subscription_info)
VALUES ('00000000-0000-4000-8000-000000000001', 'web', '{}');
INSERT INTO vibelife.user_memories (id, user_id, memory_type, content)
VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'fact', '');
INSERT INTO vibelife.life_events (user_id, event_type, title, event_date, source_memory_id)
VALUES ('00000000-0000-4000-8000-000000000001', 'party', 'Tea', '2026-12-01',
        '00000000-0000-4000-8000-000000000002');

PREPARE rows_of AS
SELECT (SELECT count(*) FROM vibelife.user_preferences WHERE user_id = $1)
     + (SELECT count(*) FROM vibelife.user_entitlements WHERE user_id = $1)
     + (SELECT count(*) FROM vibelife.identity_prism WHERE user_id = $1)
     + (SELECT count(*) FROM vibelife.dimension_profiles WHERE user_id = $1)
     + (SELECT count(*) FROM vibelife.daily_rituals WHERE user_id = $1)
     + (SELECT count(*) FROM vibelife.push_subscriptions WHERE user_id = $1)
     + (SELECT count(*) FROM vibelife.user_memories WHERE user_id = $1)
     + (SELECT count(*) FROM vibelife.life_events WHERE user_id = $1);

UPDATE vibelife.vibe_users
   SET vibe_id = '00000000-0000-4000-8000-000000000003'
 WHERE vibe_id = '00000000-0000-4000-8000-000000000001';
SELECT results_eq(
    $$ EXECUTE rows_of('00000000-0000-4000-8000-000000000003') $$, $$ VALUES (8::bigint) $$,
    'what belongs to a user follows a changed key'
);
SELECT lives_ok(
    $$ DELETE FROM vibelife.vibe_users WHERE vibe_id = '00000000-0000-4000-8000-000000000003' $$,
    'a user can be deleted, as the old application does'
);
SELECT results_eq(
    $$ EXECUTE rows_of('00000000-0000-4000-8000-000000000003') $$, $$ VALUES (0::bigint) $$,
    'and everything goes along'
);
SELECT is_empty(
    $$ SELECT c.conrelid::regclass
         FROM pg_catalog.pg_constraint AS c
        WHERE c.confrelid = 'vibelife.vibe_users'::regclass
          AND NOT EXISTS (
                  SELECT
                    FROM pg_catalog.pg_index AS i
                   WHERE i.indrelid = c.conrelid
                     AND i.indisvalid
                     AND i.indpred IS NULL
                     AND i.indkey[0] = c.conkey[1]
              ) $$,
    'no cascade has to scan a table'
);

SELECT * FROM finish();

ROLLBACK;
