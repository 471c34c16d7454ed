-- Revert unified_profiles:user_directory from pg
--
-- The support desk's view reads the columns of vibe_users again.
--
-- Locks: user_directory ACCESS EXCLUSIVE for some milliseconds, asked for once, for a second.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

CREATE OR REPLACE VIEW vibelife.user_directory AS
SELECT id, vibe_id, display_name, email, status, created_at
  FROM vibelife.vibe_users
 WHERE deleted_at IS NULL;

COMMIT;
