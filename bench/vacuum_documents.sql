VACUUM vibelife.vibe_users, vibelife.unified_profiles;
