-- Deploy vibelife_v5:v5_foreign_keys to pg
-- requires: v5_columns pgtandem:lock_tables
--
-- The foreign keys from the new tables to vibe_users, NOT VALID: each row written from now on is
-- checked, those that are there are not looked at (v5_validate does that). They come after the
-- backfills, which would else be checked row by row, with a lock on the user each time.
--
-- ON DELETE CASCADE, and ON UPDATE CASCADE, which the plan did not have: without them, the old
-- application, which knows nothing of the new tables, could not delete a user any more.
--
-- Locks: vibe_users and the eight new tables SHARE ROW EXCLUSIVE for some milliseconds, in bounded
-- tries: writers wait, readers do not.

-- Its revert leaves them in place. Was it reverted, or Sqitch killed after the commit below, before
-- it noted it? Then nothing is left to do.
SELECT EXISTS (
    SELECT
      FROM pg_catalog.pg_constraint
     WHERE conrelid = to_regclass('vibelife.push_subscriptions')
       AND conname = 'push_subscriptions_user_fkey'
) AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(
        ARRAY['vibelife.vibe_users', 'vibelife.user_preferences', 'vibelife.identity_prism',
              'vibelife.dimension_profiles', 'vibelife.user_memories', 'vibelife.life_events',
              'vibelife.daily_rituals', 'vibelife.user_entitlements',
              'vibelife.push_subscriptions']::regclass[],
        'SHARE ROW EXCLUSIVE'
    );
END;
$$;

ALTER TABLE vibelife.user_preferences
    ADD CONSTRAINT user_preferences_user_fkey
    FOREIGN KEY (user_id) REFERENCES vibelife.vibe_users (vibe_id)
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
COMMENT ON CONSTRAINT user_preferences_user_fkey ON vibelife.user_preferences IS
    'Goes with the user.';

ALTER TABLE vibelife.identity_prism
    ADD CONSTRAINT identity_prism_user_fkey
    FOREIGN KEY (user_id) REFERENCES vibelife.vibe_users (vibe_id)
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
COMMENT ON CONSTRAINT identity_prism_user_fkey ON vibelife.identity_prism IS
    'Goes with the user.';

ALTER TABLE vibelife.dimension_profiles
    ADD CONSTRAINT dimension_profiles_user_fkey
    FOREIGN KEY (user_id) REFERENCES vibelife.vibe_users (vibe_id)
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
COMMENT ON CONSTRAINT dimension_profiles_user_fkey ON vibelife.dimension_profiles IS
    'Goes with the user.';

ALTER TABLE vibelife.user_memories
    ADD CONSTRAINT user_memories_user_fkey
    FOREIGN KEY (user_id) REFERENCES vibelife.vibe_users (vibe_id)
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
COMMENT ON CONSTRAINT user_memories_user_fkey ON vibelife.user_memories IS
    'Goes with the user.';

ALTER TABLE vibelife.life_events
    ADD CONSTRAINT life_events_user_fkey
    FOREIGN KEY (user_id) REFERENCES vibelife.vibe_users (vibe_id)
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
COMMENT ON CONSTRAINT life_events_user_fkey ON vibelife.life_events IS
    'Goes with the user.';

ALTER TABLE vibelife.daily_rituals
    ADD CONSTRAINT daily_rituals_user_fkey
    FOREIGN KEY (user_id) REFERENCES vibelife.vibe_users (vibe_id)
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
COMMENT ON CONSTRAINT daily_rituals_user_fkey ON vibelife.daily_rituals IS
    'Goes with the user.';

ALTER TABLE vibelife.user_entitlements
    ADD CONSTRAINT user_entitlements_user_fkey
    FOREIGN KEY (user_id) REFERENCES vibelife.vibe_users (vibe_id)
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
COMMENT ON CONSTRAINT user_entitlements_user_fkey ON vibelife.user_entitlements IS
    'Goes with the user.';

ALTER TABLE vibelife.push_subscriptions
    ADD CONSTRAINT push_subscriptions_user_fkey
    FOREIGN KEY (user_id) REFERENCES vibelife.vibe_users (vibe_id)
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
COMMENT ON CONSTRAINT push_subscriptions_user_fkey ON vibelife.push_subscriptions IS
    'Goes with the user.';

COMMIT;
