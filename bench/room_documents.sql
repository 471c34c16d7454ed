-- Pages with room, as updates leave them: the next ones are heap-only, in every contestant.
ALTER TABLE vibelife.vibe_users SET (fillfactor = 70);
ALTER TABLE vibelife.unified_profiles SET (fillfactor = 70);
