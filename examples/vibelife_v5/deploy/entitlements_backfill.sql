-- Deploy vibelife_v5:entitlements_backfill to pg
-- requires: entitlements_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "entitlements", SHA-256 a200350507da86f8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of vibelife.vibe_users is complete. A small rest (up to 100 MB)
-- it copies itself; for a large one it stops and says which command to run. It has no BEGIN, as
-- the copy commits chunk by chunk.
--
-- Locks: vibelife.vibe_users SHARE ROW EXCLUSIVE for some milliseconds, to disable one trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('entitlements',
        'a200350507da86f88f504abd617bdf1d9f00087f017235c8448002b9620c2642');
    PERFORM pgtandem.require_small_rest('entitlements');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('entitlements');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('entitlements');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE vibelife.vibe_users DISABLE TRIGGER pgtandem_entitlements_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('entitlements', 'backfill');
END;
$do$;

COMMIT;
