-- Deploy vibelife_v5:journey_backfill to pg
-- requires: journey_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "journey", SHA-256 babeb2c3dddf5b25.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of vibelife.vibe_users is complete. A small rest (up to 100 MB)
-- it copies itself; for a large one it stops and says which command to run. It has no BEGIN, as
-- the copy commits chunk by chunk.
--
-- Locks: vibelife.vibe_users SHARE ROW EXCLUSIVE for some milliseconds, to disable one trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('journey',
        'babeb2c3dddf5b25d1d69a3bbc81e033a3146af85c144076c79a6ef357021355');
    PERFORM pgtandem.require_small_rest('journey');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('journey');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('journey');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE vibelife.vibe_users DISABLE TRIGGER "~pgtandem_journey_moved";
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('journey', 'backfill');
END;
$do$;

COMMIT;
