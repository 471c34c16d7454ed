-- Deploy danci:reviews_backfill to pg
-- requires: reviews_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "reviews", SHA-256 0edc86a612bd6546.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of danci.word_learning_states is complete. A small rest (up to
-- 100 MB) it copies itself; for a large one it stops and says which command to run. It has no
-- BEGIN, as the copy commits chunk by chunk.
--
-- Locks: danci.word_learning_states SHARE ROW EXCLUSIVE for some milliseconds, to disable one
-- trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('reviews',
        '0edc86a612bd654654dc221cbaca2083e8f0440ddc579f280f22330ad6fce23b');
    PERFORM pgtandem.require_small_rest('reviews');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('reviews');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"danci.word_learning_states"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('reviews');
END;
$do$;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('reviews', 'backfill');
END;
$do$;

COMMIT;
