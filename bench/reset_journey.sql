-- Nobody has a stage, every page of the users is full, nothing is queued, and a copy begins at the
-- first block. No trigger of the users is on: pgtandem's competitors write without any.
ALTER TABLE vibelife.vibe_users DISABLE TRIGGER USER;
UPDATE vibelife.vibe_users
SET journey_stage = DEFAULT, journey_started_at = DEFAULT, last_active_at = DEFAULT;
VACUUM (FULL, FREEZE, ANALYZE) vibelife.vibe_users;
TRUNCATE pgtandem.recheck, pgtandem.sync_failure;
SELECT pgtandem.open_copy('journey');
CHECKPOINT;
