UPDATE vibelife.vibe_users
SET journey_stage = %(stage)s,
    journey_started_at = created_at,
    last_active_at = %(now)s
WHERE vibe_id = %(user)s;
