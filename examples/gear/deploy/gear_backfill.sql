-- Deploy gear:gear_backfill to pg
-- requires: gear_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of user_core.old_equipment is complete. A small rest (up to 100
-- MB) it copies itself; for a large one it stops and says which command to run. It has no BEGIN,
-- as the copy commits chunk by chunk.
--
-- Locks: user_core.old_equipment SHARE ROW EXCLUSIVE for some milliseconds, to disable one
-- trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('gear',
        '373e1b796fb300fcbf1939201bb4457feba818ec39a25cbd2e39a091df82ed25');
    PERFORM pgtandem.require_small_rest('gear');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('gear');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"user_core.old_equipment"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('gear');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE user_core.old_equipment DISABLE TRIGGER pgtandem_gear_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('gear', 'backfill');
END;
$do$;

COMMIT;
