\set user random(1, :rows)
INSERT INTO vibelife.payments (user_id, amount, status, completed_at)
VALUES (md5('vibe user ' || :user)::uuid, 28, 'completed', clock_timestamp());
