-- Revert unified_profiles:retire_019 from pg
--
-- Migration 019 is back as it was, a moment before the sync goes: it keeps account.display_name of
-- the profile, one way.
--
-- Locks: vibe_users SHARE ROW EXCLUSIVE for some milliseconds, in bounded tries: writers wait,
-- readers do not.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(ARRAY['vibelife.vibe_users']::regclass[], 'SHARE ROW EXCLUSIVE');
END;
$$;

CREATE OR REPLACE FUNCTION vibelife.sync_account_to_profile() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO vibelife.unified_profiles AS p (user_id, profile)
    VALUES (NEW.id,
            jsonb_build_object('account', jsonb_build_object('display_name', NEW.display_name)))
        ON CONFLICT (user_id) DO UPDATE
       SET profile = p.profile || jsonb_build_object('account',
               CASE jsonb_typeof(p.profile -> 'account')
                   WHEN 'object' THEN p.profile -> 'account'
                   ELSE '{}'
               END || (excluded.profile -> 'account'));
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION vibelife.sync_account_to_profile() IS
    'Migration 019, trigger on vibe_users: keeps account.display_name of the profile.';
CREATE OR REPLACE TRIGGER trigger_sync_account_to_profile
    AFTER INSERT OR UPDATE OF display_name ON vibelife.vibe_users
    FOR EACH ROW EXECUTE FUNCTION vibelife.sync_account_to_profile();

COMMIT;
