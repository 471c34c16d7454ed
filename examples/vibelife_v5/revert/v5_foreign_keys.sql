-- Revert vibelife_v5:v5_foreign_keys from pg
--
-- Loses no row. Users who are deleted from now on leave their rows behind in the new tables;
-- v5_validate will speak of them.
--
-- Locks: vibe_users and the eight new tables ACCESS EXCLUSIVE for some milliseconds, in bounded
-- tries.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(
        ARRAY['vibelife.vibe_users', 'vibelife.user_preferences', 'vibelife.identity_prism',
              'vibelife.dimension_profiles', 'vibelife.user_memories', 'vibelife.life_events',
              'vibelife.daily_rituals', 'vibelife.user_entitlements',
              'vibelife.push_subscriptions']::regclass[],
        'ACCESS EXCLUSIVE'
    );
END;
$$;

-- Killed after the commit, before Sqitch noted it, it may run again.
ALTER TABLE vibelife.user_preferences DROP CONSTRAINT IF EXISTS user_preferences_user_fkey;
ALTER TABLE vibelife.identity_prism DROP CONSTRAINT IF EXISTS identity_prism_user_fkey;
ALTER TABLE vibelife.dimension_profiles DROP CONSTRAINT IF EXISTS dimension_profiles_user_fkey;
ALTER TABLE vibelife.user_memories DROP CONSTRAINT IF EXISTS user_memories_user_fkey;
ALTER TABLE vibelife.life_events DROP CONSTRAINT IF EXISTS life_events_user_fkey;
ALTER TABLE vibelife.daily_rituals DROP CONSTRAINT IF EXISTS daily_rituals_user_fkey;
ALTER TABLE vibelife.user_entitlements DROP CONSTRAINT IF EXISTS user_entitlements_user_fkey;
ALTER TABLE vibelife.push_subscriptions DROP CONSTRAINT IF EXISTS push_subscriptions_user_fkey;

COMMIT;
