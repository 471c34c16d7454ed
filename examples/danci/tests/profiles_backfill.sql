-- Tests danci:profiles_backfill, right after it: the copy is complete. Changes nothing; needs pgTAP
-- in the search path.

BEGIN;

SELECT plan(6);

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'profiles' $$,
    $$ VALUES ('backfill', 'complete') $$,
    'the copy is complete'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem_profiles.compared() WHERE changed OR NOT in_target $$,
    'nothing differs'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.chunk
        WHERE mapping = 'profiles' AND (done_at IS NULL OR set_aside > 0) $$,
    'every chunk is done, and no row was set aside'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'profiles' $$, 'the queue is empty'
);
SELECT is_empty(
    $$ SELECT s.user_id FROM danci.amas_user_states AS s
         LEFT JOIN danci.user_learning_profiles AS p USING (user_id)
        WHERE p.updated_at < s.updated_at OR p.user_id IS NULL
           OR p.updated_at = s.updated_at AND p.theta = 0 AND p.attention <> s.attention $$,
    'everybody with a state has a profile that is at least as new, and new ones say the same'
);
SELECT results_eq(
    $$ SELECT count(*) FILTER (WHERE theta <> 0),
              count(*) FILTER (WHERE theta <> 0 AND created_at = '2025-01-01')
         FROM danci.user_learning_profiles $$,
    $$ SELECT count(*) / 7, count(*) / 7 FROM danci.users $$,
    'the canary''s profiles are all there, with what is their own'
);

SELECT * FROM finish();

ROLLBACK;
