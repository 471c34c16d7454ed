-- What the change unified_profiles_backfill does once every row is copied.
ALTER TABLE vibelife.vibe_users DISABLE TRIGGER trigger_sync_account_to_profile_moved;
SELECT pgtandem.set_phase('unified_profiles', 'backfill');
