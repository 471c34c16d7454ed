-- Deploy vibelife_v5:dimensions_backfill to pg
-- requires: dimensions_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "dimensions", SHA-256 eb395e273c45a219.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of vibelife.user_profiles is complete. A small rest (up to 100
-- MB) it copies itself; for a large one it stops and says which command to run. It has no BEGIN,
-- as the copy commits chunk by chunk.
--
-- Locks: vibelife.user_profiles SHARE ROW EXCLUSIVE for some milliseconds, to disable one
-- trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('dimensions',
        'eb395e273c45a21931fc8ff1ea70e313dd936e9da0aeb0578c7c4a3605c4af77');
    PERFORM pgtandem.require_small_rest('dimensions');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('dimensions');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"vibelife.user_profiles"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('dimensions');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE vibelife.user_profiles DISABLE TRIGGER pgtandem_dimensions_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('dimensions', 'backfill');
END;
$do$;

COMMIT;
