-- Tests vibelife_v5:entitlements_backfill, right after it: the copy is complete. Changes nothing;
-- needs pgTAP in the search path.

BEGIN;

SELECT plan(13);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'entitlements' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_entitlements.compared()
        WHERE changed OR NOT in_source OR NOT in_target $$,
    'both sides agree'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.chunk
        WHERE mapping = 'entitlements' AND (done_at IS NULL OR set_aside > 0) $$,
    'every chunk is done, and no row was set aside'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'entitlements' $$, 'the queue is empty'
);
SELECT results_eq(
    $$ SELECT percent, failed, workers FROM pgtandem.progress WHERE mapping = 'entitlements' $$,
    $$ VALUES (100.0::numeric, 0::bigint, 0::bigint) $$,
    'which can be seen'
);
SELECT is(
    (SELECT tgenabled::text FROM pg_catalog.pg_trigger
      WHERE tgrelid = 'vibelife.vibe_users'::regclass AND tgname = 'pgtandem_entitlements_moved'),
    'D', 'rows may move to other blocks, unseen'
);

-- The same, said in other words than the mapping's.
SELECT bag_eq(
    $$ SELECT user_id, current_tier::text FROM vibelife.user_entitlements $$,
    $$ SELECT vibe_id, coalesce(
                  (SELECT max(CASE plan_type WHEN 'yearly' THEN 'L3' ELSE 'L2' END)
                     FROM vibelife.subscriptions WHERE user_id = vibe_id AND status = 'active'),
                  (SELECT 'L1' FROM vibelife.payments
                    WHERE user_id = vibe_id AND status = 'completed' LIMIT 1),
                  'L0')
         FROM vibelife.vibe_users $$,
    'everybody has the tier of the best that is active, or paid, or none'
);
SELECT is_empty(
    $$ SELECT e.user_id
         FROM vibelife.user_entitlements AS e
         LEFT JOIN vibelife.subscriptions AS s ON s.id = e.subscription_id
        WHERE (e.current_tier IN ('L2', 'L3')) IS DISTINCT FROM (s.id IS NOT NULL)
           OR s.user_id <> e.user_id
           OR s.status <> 'active'
           OR s.expires_at IS DISTINCT FROM e.tier_expires_at $$,
    'with the subscription that gives it, and its end'
);

-- The sync goes on.
INSERT INTO vibelife.vibe_users (vibe_id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO vibelife.payments (user_id, amount, status)
VALUES ('00000000-0000-4000-8000-000000000001', 28, 'completed');
SELECT lives_ok($$ SELECT pgtandem._drain_batch('entitlements') $$, 'a drain');
SELECT results_eq(
    $$ SELECT current_tier::text FROM vibelife.user_entitlements
        WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    ARRAY['L1'], 'gives a new user an entitlement'
);
DELETE FROM vibelife.vibe_users WHERE vibe_id = '00000000-0000-4000-8000-000000000001';
SELECT lives_ok($$ SELECT pgtandem._drain_batch('entitlements') $$, 'a drain');
SELECT is_empty(
    $$ SELECT FROM vibelife.user_entitlements
        WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    'takes it away with the user'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'entitlements' $$,
    'and needs no second look any more'
);

SELECT * FROM finish();

ROLLBACK;
