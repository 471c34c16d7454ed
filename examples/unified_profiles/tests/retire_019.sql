-- Tests unified_profiles:retire_019. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(2);

SELECT hasnt_trigger('vibelife', 'vibe_users', 'trigger_sync_account_to_profile');
SELECT hasnt_function('vibelife', 'sync_account_to_profile');

SELECT * FROM finish();

ROLLBACK;
