-- Deploy unified_profiles:unified_profiles_backfill to pg
-- requires: unified_profiles_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of vibelife.vibe_users is complete. A small rest (up to 100 MB)
-- it copies itself; for a large one it stops and says which command to run. It has no BEGIN, as
-- the copy commits chunk by chunk.
--
-- Locks: vibelife.vibe_users SHARE ROW EXCLUSIVE for some milliseconds, to disable one trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
    PERFORM pgtandem.require_small_rest('unified_profiles');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('unified_profiles');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('unified_profiles');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE vibelife.vibe_users DISABLE TRIGGER trigger_sync_account_to_profile_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('unified_profiles', 'backfill');
END;
$do$;

COMMIT;
