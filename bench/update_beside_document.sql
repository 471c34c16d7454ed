\set user random(1, :rows)
UPDATE vibelife.vibe_users SET last_seen_at = clock_timestamp() WHERE id = md5('vibe user ' || :user)::uuid;
