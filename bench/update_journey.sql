-- The whole backfill as one statement: all messages are read once, and grouped. It locks every user
-- until its end, and writes what was true at its beginning; a stage that the application sets
-- meanwhile stays only because of the CASE.
UPDATE vibelife.vibe_users AS t
SET journey_stage = CASE WHEN t.journey_stage <> 'encounter' THEN t.journey_stage
                         WHEN m.days >= 60 AND p.user_id IS NOT NULL THEN 'symbiosis'
                         WHEN m.days >= 14 AND p.user_id IS NOT NULL THEN 'dependence'
                         WHEN m.days >= 3 THEN 'trust'
                         WHEN m.days >= 1 THEN 'understanding'
                         ELSE 'first_sight' END,
    journey_started_at = coalesce(t.journey_started_at, t.created_at),
    last_active_at = m.last
FROM vibelife.vibe_users AS u
LEFT JOIN (
    SELECT c.user_id, count(DISTINCT m.created_at::date) AS days, max(m.created_at) AS last
    FROM vibelife.messages AS m
    JOIN vibelife.conversations AS c ON c.id = m.conversation_id
    WHERE m.role = 'user'
    GROUP BY c.user_id
) AS m ON m.user_id = u.vibe_id
LEFT JOIN (
    SELECT DISTINCT user_id FROM vibelife.payments WHERE status = 'completed'
) AS p ON p.user_id = u.vibe_id
WHERE t.vibe_id = u.vibe_id;
