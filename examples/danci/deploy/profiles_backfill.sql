-- Deploy danci:profiles_backfill to pg
-- requires: profiles_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "profiles", SHA-256 dd5660c2f7fb8aa9.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of danci.amas_user_states is complete. A small rest (up to 100
-- MB) it copies itself; for a large one it stops and says which command to run. It has no BEGIN,
-- as the copy commits chunk by chunk.
--
-- Locks: danci.amas_user_states SHARE ROW EXCLUSIVE for some milliseconds, to disable one
-- trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('profiles',
        'dd5660c2f7fb8aa956a39879f3ac574bb822a0b421314845d23e5ee1e6a2d178');
    PERFORM pgtandem.require_small_rest('profiles');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('profiles');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"danci.amas_user_states"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('profiles');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE danci.amas_user_states DISABLE TRIGGER pgtandem_profiles_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('profiles', 'backfill');
END;
$do$;

COMMIT;
