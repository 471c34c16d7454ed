-- Revert danci:reviews_sync from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "reviews", SHA-256 0edc86a612bd6546.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Ends the sync: danci.word_learning_states keeps its rows and is no longer kept equal. No write
-- is lost, as the source holds all of them. What is set on the first copy only, and every other
-- column of the target, stays in the target.
--
-- Locks: danci.word_learning_states ACCESS EXCLUSIVE until the commit, some milliseconds, asked
-- for in short tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'reviews' AND phase IN ('expand')
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
    PERFORM pgtandem.lock_tables('{"danci.word_learning_states"}', 'ACCESS EXCLUSIVE');
END;
$do$;

DROP TRIGGER "~pgtandem_reviews_keep" ON danci.word_learning_states;
DROP FUNCTION pgtandem_reviews.keep();
DROP TRIGGER "~pgtandem_reviews_restore" ON danci.word_learning_states;
DROP TRIGGER "!pgtandem_reviews_pre_image" ON danci.word_learning_states;
DROP FUNCTION pgtandem_reviews.undo_key(jsonb, boolean, boolean, jsonb, text, text[], bigint);
DROP FUNCTION pgtandem_reviews.adopt(danci.word_learning_states, xid, xid);
DROP FUNCTION pgtandem_reviews.disown(jsonb);
DROP FUNCTION pgtandem_reviews.order_of(jsonb);
DROP FUNCTION pgtandem_reviews.row_of(jsonb, boolean);
DROP FUNCTION pgtandem_reviews.restore();
DROP FUNCTION pgtandem_reviews.record_pre_image();
DROP FUNCTION pgtandem_reviews.copy_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_reviews.chunk_keys(regclass, bigint, bigint);
DROP FUNCTION pgtandem_reviews.settle(jsonb);

DO $do$
BEGIN
    PERFORM pgtandem.close_sync('reviews');
    PERFORM pgtandem.set_phase('reviews', 'expand');
END;
$do$;

COMMIT;
