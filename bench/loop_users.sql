SELECT vibe_id FROM vibelife.vibe_users LIMIT %(users)s;
