\set user random(1, :rows)
\set value random(1, 1000000)
UPDATE vibelife.vibe_users SET display_name = 'Ana ' || :value WHERE id = md5('vibe user ' || :user)::uuid;
