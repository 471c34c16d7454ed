-- Deploy unified_profiles:user_directory to pg
-- requires: unified_profiles_backfill
--
-- The support desk's view reads names, addresses and deletions from the profile, so that contract
-- may take the columns. Same columns, same types, same grants; it shows the same rows before and
-- after.
--
-- Locks: user_directory ACCESS EXCLUSIVE for some milliseconds, asked for once, for a second:
-- where somebody reads the view for longer than that it fails, and can be run again.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

CREATE OR REPLACE VIEW vibelife.user_directory AS
SELECT u.id,
       u.vibe_id,
       (p.profile #>> '{account,display_name}')::varchar(100) AS display_name,
       (p.profile #>> '{account,email}')::varchar(255) AS email,
       u.status,
       u.created_at
  FROM vibelife.vibe_users AS u
  LEFT JOIN vibelife.unified_profiles AS p ON p.user_id = u.id
 WHERE p.profile #>> '{deletion,deleted_at}' IS NULL;

COMMIT;
