-- Users that hold what the messages and payments say, and how many of them have a stage.
SELECT count(*) FILTER (WHERE u.journey_stage = i.journey_stage
                          AND u.journey_started_at = i.journey_started_at
                          AND u.last_active_at IS NOT DISTINCT FROM i.last_active_at),
       count(*) FILTER (WHERE u.journey_stage = i.journey_stage)
FROM vibelife.vibe_users AS u
JOIN pgtandem_journey.image AS i ON i.vibe_id = u.vibe_id;
