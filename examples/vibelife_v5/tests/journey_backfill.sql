-- Tests vibelife_v5:journey_backfill, right after it: the copy is complete. Changes nothing; needs
-- pgTAP in the search path.

BEGIN;

SELECT plan(13);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'journey' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_journey.compared() WHERE changed $$, 'nothing differs'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.chunk
        WHERE mapping = 'journey' AND (done_at IS NULL OR set_aside > 0) $$,
    'every chunk is done, and no row was set aside'
);
SELECT is_empty($$ SELECT FROM pgtandem.recheck WHERE mapping = 'journey' $$, 'the queue is empty');
SELECT results_eq(
    $$ SELECT percent, failed, workers FROM pgtandem.progress WHERE mapping = 'journey' $$,
    $$ VALUES (100.0::numeric, 0::bigint, 0::bigint) $$,
    'which can be seen'
);
SELECT is(
    (SELECT tgenabled::text FROM pg_catalog.pg_trigger
      WHERE tgrelid = 'vibelife.vibe_users'::regclass AND tgname = '~pgtandem_journey_moved'),
    'D', 'rows may move to other blocks, unseen'
);

-- The generator's exact users: eight of each number of days, of whom four have paid.
SELECT bag_eq(
    $$ SELECT days, journey_stage::text, count(*)
         FROM (SELECT u.vibe_id, u.journey_stage, count(DISTINCT m.created_at::date) AS days
                 FROM vibelife.vibe_users AS u
                 JOIN vibelife.conversations AS c ON c.user_id = u.vibe_id
                 JOIN vibelife.messages AS m ON m.conversation_id = c.id AND m.role = 'user'
                WHERE u.vibe_id IN (SELECT user_id FROM vibelife.conversations
                                     WHERE title LIKE '% days')
                GROUP BY u.vibe_id) AS e
        GROUP BY 1, 2 $$,
    $$ VALUES (1::bigint, 'understanding', 8::bigint), (2, 'understanding', 8), (3, 'trust', 8),
              (4, 'trust', 8), (13, 'trust', 8), (14, 'dependence', 4), (14, 'trust', 4),
              (15, 'dependence', 4), (15, 'trust', 4), (59, 'dependence', 4), (59, 'trust', 4),
              (60, 'symbiosis', 4), (60, 'trust', 4), (61, 'symbiosis', 4), (61, 'trust', 4) $$,
    'the stages of users with exactly so many days'
);
SELECT is_empty(
    $$ SELECT FROM vibelife.vibe_users
        WHERE journey_stage IS NULL OR journey_stage = 'encounter'
           OR journey_started_at IS DISTINCT FROM created_at $$,
    'everybody has a stage, and a beginning'
);
SELECT is_empty(
    $$ SELECT vibe_id FROM vibelife.vibe_users AS u
        WHERE last_active_at IS DISTINCT FROM
              (SELECT max(m.created_at)
                 FROM vibelife.conversations AS c
                 JOIN vibelife.messages AS m ON m.conversation_id = c.id
                WHERE c.user_id = u.vibe_id AND m.role = 'user') $$,
    'and was last active with the last message, not when it was copied'
);

-- The sync goes on.
INSERT INTO vibelife.vibe_users (vibe_id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO vibelife.conversations (id, user_id)
VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001');
INSERT INTO vibelife.messages (conversation_id, role, content, created_at)
VALUES ('00000000-0000-4000-8000-000000000002', 'user', '', '2026-01-01');
SELECT is(
    (SELECT count(*) FROM pgtandem.recheck WHERE mapping = 'journey'), 3::bigint,
    'a new user, the conversation and the message are queued'
);
SELECT lives_ok(
    $$ SELECT pgtandem._drain_batch('journey'), pgtandem._drain_batch('journey') $$, 'a drain'
);
SELECT results_eq(
    $$ SELECT journey_stage::text, last_active_at FROM vibelife.vibe_users
        WHERE vibe_id = '00000000-0000-4000-8000-000000000001' $$,
    $$ VALUES ('understanding', '2026-01-01'::timestamp) $$,
    'makes the journey of the new user'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'journey' $$,
    'and needs no second look any more'
);

SELECT * FROM finish();

ROLLBACK;
