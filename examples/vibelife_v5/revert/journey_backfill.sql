-- Revert vibelife_v5:journey_backfill from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "journey", SHA-256 babeb2c3dddf5b25.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Opens the copy again. Both tables keep their rows and stay in sync; a second deploy goes over
-- the source once more and writes only what differs.
--
-- Locks: both tables SHARE ROW EXCLUSIVE until the commit, some milliseconds.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.open_copy('journey');
END;
$do$;
ALTER TABLE vibelife.vibe_users ENABLE ALWAYS TRIGGER "~pgtandem_journey_moved";
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('journey', 'sync');
END;
$do$;

COMMIT;
