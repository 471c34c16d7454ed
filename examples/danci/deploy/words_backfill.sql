-- Deploy danci:words_backfill to pg
-- requires: words_sync
-- requires: pgtandem:backfill
-- requires: pgtandem:control
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 fee836745fc5b7b8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- A gate: passes where the copy of danci.word_scores is complete. A small rest (up to 100 MB) it
-- copies itself; for a large one it stops and says which command to run. It has no BEGIN, as the
-- copy commits chunk by chunk.
--
-- Locks: danci.word_scores SHARE ROW EXCLUSIVE for some milliseconds, to disable one trigger.

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('words',
        'fee836745fc5b7b8b66bff7ff8b66d150c825359979a42c0f17bebfefbe55351');
    PERFORM pgtandem.require_small_rest('words');
END;
$do$;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.backfill('words');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"danci.word_scores"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_complete('words');
END;
$do$;
-- Every row is copied, so none can move behind the chunks any more.
ALTER TABLE danci.word_scores DISABLE TRIGGER pgtandem_words_moved;
DO $do$
BEGIN
    PERFORM pgtandem.set_phase('words', 'backfill');
END;
$do$;

COMMIT;
