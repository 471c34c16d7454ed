-- Revert danci:words_sync from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 fee836745fc5b7b8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Ends the sync: danci.word_learning_states keeps its rows and is no longer kept equal. No write
-- is lost, as the source holds all of them. What is set on the first copy only, and every other
-- column of the target, stays in the target.
--
-- Locks: all of its tables ACCESS EXCLUSIVE until the commit, some milliseconds, asked for in
-- short tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'words' AND phase IN ('expand')
       ) AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"danci.word_scores", "danci.word_learning_states", '
                                 '"danci.answer_records"}', 'ACCESS EXCLUSIVE');
END;
$do$;

DROP TRIGGER pgtandem_words_write ON danci.word_scores;
DROP TRIGGER pgtandem_words_update ON danci.word_scores;
DROP TRIGGER pgtandem_words_moved ON danci.word_scores;
DROP TRIGGER pgtandem_words_answer ON danci.answer_records;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_words'::regnamespace
          AND p.proname IN ('truncate_source', 'truncate_answer')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;
DROP TRIGGER "~pgtandem_words_restore" ON danci.word_learning_states;
DROP TRIGGER "!pgtandem_words_pre_image" ON danci.word_learning_states;
DROP FUNCTION pgtandem_words.undo_key(jsonb, boolean, boolean, jsonb, text, text[], bigint);
DROP FUNCTION pgtandem_words.adopt(danci.word_learning_states, xid, xid);
DROP FUNCTION pgtandem_words.disown(jsonb);
DROP FUNCTION pgtandem_words.order_of(jsonb);
DROP FUNCTION pgtandem_words.row_of(jsonb, boolean);
DROP FUNCTION pgtandem_words.restore();
DROP FUNCTION pgtandem_words.record_pre_image();
DROP FUNCTION pgtandem_words.sync_forward();
DROP FUNCTION pgtandem_words.touched_answer();
DROP FUNCTION pgtandem_words.truncate_source();
DROP FUNCTION pgtandem_words.truncate_answer();
DROP FUNCTION pgtandem_words.copy_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_words.chunk_keys(regclass, bigint, bigint);
DROP FUNCTION pgtandem_words.settle(jsonb);

DO $do$
BEGIN
    PERFORM pgtandem.close_sync('words');
    PERFORM pgtandem.set_phase('words', 'expand');
END;
$do$;

COMMIT;
