-- Tests vibelife_v5:v5_validate. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(2);

SELECT is(
    (SELECT count(*)
       FROM pg_catalog.pg_constraint
      WHERE confrelid = 'vibelife.vibe_users'::regclass
        AND conname LIKE '%\_user\_fkey'
        AND convalidated),
    8::bigint,
    'the eight foreign keys are validated'
);
SELECT is_empty(
    $$ SELECT user_id FROM vibelife.user_entitlements
        WHERE user_id NOT IN (SELECT vibe_id FROM vibelife.vibe_users) $$,
    'there is no entitlement of nobody'
);

SELECT * FROM finish();

ROLLBACK;
