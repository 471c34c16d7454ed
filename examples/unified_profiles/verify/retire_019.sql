-- Verify unified_profiles:retire_019 on pg
--
-- Raises while migration 019 still writes profiles.

DO $$
BEGIN
    IF to_regprocedure('vibelife.sync_account_to_profile()') IS NOT NULL
       OR EXISTS (
           SELECT
             FROM pg_catalog.pg_trigger
            WHERE tgrelid = 'vibelife.vibe_users'::regclass
              AND tgname = 'trigger_sync_account_to_profile'
       ) THEN
        RAISE EXCEPTION 'the trigger of migration 019 is still there'
            USING ERRCODE = 'duplicate_object', HINT = 'Deploy the change retire_019 again.';
    END IF;
END;
$$;
