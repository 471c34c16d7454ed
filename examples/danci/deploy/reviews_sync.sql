-- Deploy danci:reviews_sync to pg
-- requires: reviews_expand
-- requires: pgtandem:drain
--
-- Rendered by pgtandem 0.1.0 from the mapping "reviews", SHA-256 0edc86a612bd6546.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Nothing keeps danci.word_learning_states equal afterwards: sync.ways is none. Opens the copy:
-- what was there before is still to be backfilled.
--
-- Locks: danci.word_learning_states SHARE ROW EXCLUSIVE until the commit, some milliseconds:
-- writers wait, readers do not. The lock is asked for in short tries; between them nobody waits
-- for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
-- The image without what is computed once.
CREATE VIEW pgtandem_reviews.kept AS
SELECT source.user_id AS user_id,
       source.word_id AS word_id
FROM danci.word_learning_states AS source;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"danci.word_learning_states"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('reviews',
        '0edc86a612bd654654dc221cbaca2083e8f0440ddc579f280f22330ad6fce23b');
    PERFORM pgtandem.require_unique('danci.word_learning_states', ARRAY['user_id',
                                    'word_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_reviews.image', 'danci.word_learning_states',
                                  ARRAY['user_id', 'word_id', 'interval_days',
                                        'last_review_date']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_reviews.kept', '{"danci.word_learning_states"}');
END;
$do$;
DROP VIEW pgtandem_reviews.kept;

-- One key of the queue: hold the row, then read its image in a statement of its own.
CREATE OR REPLACE FUNCTION pgtandem_reviews.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 danci.word_learning_states.user_id%TYPE := (p_key ->> 0)::uuid;
    v_key2 danci.word_learning_states.word_id%TYPE := (p_key ->> 1)::integer;
BEGIN
    PERFORM FROM danci.word_learning_states AS t
    WHERE t.user_id = v_key1 AND t.word_id = v_key2
    FOR NO KEY UPDATE;
    UPDATE danci.word_learning_states AS t
    SET next_review_date = CASE WHEN (SELECT next_review_date IS NULL AND last_review_date
        IS NOT NULL OR next_review_date < now() FROM (SELECT t.*) AS target) IS TRUE
        THEN i.next_review_date ELSE t.next_review_date END
    FROM pgtandem_reviews.image AS i
    WHERE t.user_id = v_key1 AND t.word_id = v_key2 AND i.user_id = v_key1 AND i.word_id = v_key2
      AND (((SELECT next_review_date IS NULL AND last_review_date IS NOT NULL
          OR next_review_date < now() FROM (SELECT t.*) AS target) IS TRUE AND i.next_review_date
          IS DISTINCT FROM t.next_review_date));
    IF NOT FOUND THEN
        RETURN 'equal';
    END IF;
    IF EXISTS (
           SELECT FROM danci.word_learning_states AS t, pgtandem_reviews.image AS i
           WHERE t.user_id = v_key1 AND t.word_id = v_key2 AND i.user_id = v_key1
               AND i.word_id = v_key2
             AND (((SELECT next_review_date IS NULL AND last_review_date IS NOT NULL
                 OR next_review_date < now() FROM (SELECT t.*) AS target) IS TRUE
                 AND i.next_review_date IS DISTINCT FROM t.next_review_date))) THEN
        RAISE EXCEPTION 'the table % does not keep the image of key %',
            'danci.word_learning_states', p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the table, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the table really stores.';
    END IF;
    RETURN 'updated';
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_reviews.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.settle(jsonb) IS
    'Makes a row hold its image: updated or equal. TD010. Called by pgtandem._settle, which marks '
    'the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_reviews.chunk_keys(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $chunk_keys$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT jsonb_build_array(source.user_id, source.word_id)
        FROM ONLY %s AS source
        WHERE source.ctid >= $1 AND source.ctid < $2
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_reviews.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

-- Rows that hold their image already are not written.
CREATE OR REPLACE FUNCTION pgtandem_reviews.copy_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint,
    p_strategy    text
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $copy$
DECLARE
    v_rows bigint;
BEGIN
    -- @plpgsql_check_options: extra_warnings = off
    -- The strategy is always the same.
    EXECUTE format($bring_up$
            UPDATE ONLY %s AS source
            SET next_review_date = CASE WHEN (SELECT next_review_date IS NULL AND last_review_date
                IS NOT NULL OR next_review_date < now() FROM (SELECT source.*) AS target) IS TRUE
                THEN greatest(last_review_date + interval_days * interval '1 day',
                              now() + interval '1 day') ELSE source.next_review_date END
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (((SELECT next_review_date IS NULL AND last_review_date IS NOT NULL
                  OR next_review_date < now() FROM (SELECT source.*) AS target) IS TRUE
                  AND greatest(last_review_date + interval_days * interval '1 day',
                               now() + interval '1 day') IS DISTINCT FROM source.next_review_date))
        $bring_up$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_reviews.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.copy_chunk(regclass, bigint, bigint, text) IS
    'Brings the rows of a range of blocks up to their image; returns the rows written. The '
    'strategy is always overwrite. Called by pgtandem._copy_chunk, which marks the write as ours.';

-- What a backfill or a drain writes is no write of an application: triggers of the table's own (a
-- time of the last change) shall not change anything else of the row.
CREATE OR REPLACE FUNCTION pgtandem_reviews.keep() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $keep$
DECLARE
    v_new record := NEW;
BEGIN
    -- Not NEW := OLD: of a row that is older than a column, PL/pgSQL frees a default that is not
    -- its own.
    SELECT OLD.* INTO NEW;
    NEW.next_review_date := v_new.next_review_date;
    RETURN NEW;
END;
$keep$;
REVOKE ALL ON FUNCTION pgtandem_reviews.keep() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.keep() IS
    'Trigger on danci.word_learning_states: a backfill or a drain changes the mapped columns '
    'alone.';
DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('danci.word_learning_states', 'pgtandem_reviews',
                                          ARRAY['~pgtandem_reviews_write',
                                                '~pgtandem_reviews_update',
                                                '~pgtandem_reviews_moved',
                                                '~pgtandem_reviews_truncate',
                                                '~pgtandem_reviews_keep']::text[]);
    PERFORM pgtandem.require_last('danci.word_learning_states', '~pgtandem_reviews_keep');
END;
$do$;
CREATE OR REPLACE TRIGGER "~pgtandem_reviews_keep"
    BEFORE UPDATE ON danci.word_learning_states
    FOR EACH ROW
    WHEN (current_setting('pgtandem_reviews.depth', true) = pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_reviews.keep();
ALTER TABLE danci.word_learning_states ENABLE ALWAYS TRIGGER "~pgtandem_reviews_keep";

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('reviews');
    PERFORM pgtandem.take_sample('reviews');
    PERFORM pgtandem.set_phase('reviews', 'sync');
END;
$do$;

COMMIT;
