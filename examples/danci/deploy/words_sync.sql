-- Deploy danci:words_sync to pg
-- requires: words_expand
-- requires: pgtandem:drain
-- requires: pgtandem:undo_run
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 fee836745fc5b7b8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of danci.word_scores, danci.answer_records queues the key that it
-- touches, and a drain brings the image to danci.word_learning_states. Opens the copy: what was
-- there before is still to be backfilled.
--
-- Locks: all of its tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers
-- wait, readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
-- The image without what is computed once.
CREATE VIEW pgtandem_words.kept AS
SELECT source.user_id AS user_id,
       source.word_id AS word_id,
       (least(5, coalesce(answer.correct, 0))::integer)::integer AS mastery_level,
       (coalesce(answer.count, 0)::integer)::integer AS review_count,
       ((ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5, coalesce(answer.correct,
                                                          0))])::integer AS interval_days,
       (answer.last)::timestamptz AS last_review_date
FROM danci.word_scores AS source
LEFT JOIN (
    SELECT answer.user_id, answer.word_id, (count(*)), (count(*) FILTER (WHERE answer.is_correct)),
        (max(answer.timestamp))
    FROM danci.answer_records AS answer
    GROUP BY 1, 2
) AS answer (pgtandem_1, pgtandem_2, count, correct,
             last) ON answer.pgtandem_1 = source.user_id AND answer.pgtandem_2 = source.word_id;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"danci.word_scores", "danci.word_learning_states", '
                                 '"danci.answer_records"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('words',
        'fee836745fc5b7b8b66bff7ff8b66d150c825359979a42c0f17bebfefbe55351');
    PERFORM pgtandem.require_unique('danci.word_learning_states', ARRAY['user_id',
                                    'word_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_words.image', 'danci.word_scores',
                                  ARRAY['user_id', 'word_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_words.image', 'danci.answer_records',
                                  ARRAY['user_id', 'word_id', 'is_correct', 'timestamp']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_words.kept',
                                        '{"danci.word_scores", "danci.answer_records"}');
    PERFORM pgtandem.require_index('danci.answer_records', ARRAY['user_id', 'word_id']::text[]);
    PERFORM pgtandem.require_deletable('danci.word_scores', 'danci.word_learning_states');
END;
$do$;
DROP VIEW pgtandem_words.kept;

-- One key of the queue: hold the target's row, then read the image in a statement of its own. Never
-- the other way round: a re-insert of the key would be lost. No row of the target is deleted.
CREATE OR REPLACE FUNCTION pgtandem_words.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 danci.word_learning_states.user_id%TYPE := (p_key ->> 0)::uuid;
    v_key2 danci.word_learning_states.word_id%TYPE := (p_key ->> 1)::integer;
    v_result text;
BEGIN
    FOR v_try IN 1..20 LOOP
        PERFORM FROM danci.word_learning_states AS t
        WHERE t.user_id = v_key1 AND t.word_id = v_key2
        FOR NO KEY UPDATE;
        IF FOUND THEN
            UPDATE danci.word_learning_states AS t
            SET mastery_level = i.mastery_level,
                review_count = i.review_count,
                interval_days = i.interval_days,
                last_review_date = i.last_review_date
            FROM pgtandem_words.image_of_key AS i
            WHERE t.user_id = v_key1 AND t.word_id = v_key2 AND i.user_id = v_key1
                AND i.word_id = v_key2
              AND coalesce(i.last_review_date > t.last_review_date,
                           i.last_review_date IS NOT NULL AND t.last_review_date IS NULL);
            IF NOT FOUND THEN
                RETURN 'equal';
            END IF;
            v_result := 'updated';
            EXIT;
        END IF;
        INSERT INTO danci.word_learning_states AS t
            (user_id, word_id, mastery_level, review_count, interval_days, last_review_date,
             next_review_date)
        OVERRIDING SYSTEM VALUE
        SELECT i.user_id, i.word_id, i.mastery_level, i.review_count, i.interval_days,
            i.last_review_date, i.next_review_date
        FROM pgtandem_words.image_of_key AS i
        WHERE i.user_id = v_key1 AND i.word_id = v_key2
        ON CONFLICT (user_id, word_id) DO NOTHING;
        IF FOUND THEN
            v_result := 'inserted';
            EXIT;
        END IF;
        PERFORM FROM pgtandem_words.image_of_key AS i WHERE i.user_id = v_key1
            AND i.word_id = v_key2;
        IF NOT FOUND THEN
            RETURN 'equal';
        END IF;
        -- Somebody inserted the row between our two statements: look again.
    END LOOP;
    IF v_result IS NULL OR EXISTS (
           SELECT FROM danci.word_learning_states AS t, pgtandem_words.image_of_key AS i
           WHERE t.user_id = v_key1 AND t.word_id = v_key2 AND i.user_id = v_key1
               AND i.word_id = v_key2
             AND coalesce(i.last_review_date > t.last_review_date,
                          i.last_review_date IS NOT NULL AND t.last_review_date IS NULL)) THEN
        RAISE EXCEPTION 'the target % does not keep the image of key %',
            'danci.word_learning_states', p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the target really stores.';
    END IF;
    RETURN v_result;
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_words.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.settle(jsonb) IS
    'Brings the image of one key to the target, whose row wins where the mapping says so: '
    'inserted, updated or equal. TD010. Called by pgtandem._settle, which marks the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_words.chunk_keys(
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
COMMENT ON FUNCTION pgtandem_words.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

-- Rows that the target has, and that stay as they are, are neither written nor locked.
CREATE OR REPLACE FUNCTION pgtandem_words.copy_chunk(
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
    EXECUTE format($merge$
            -- No lock: an older image never wins over a newer row, whoever writes it.
            WITH image AS MATERIALIZED (
            SELECT source.user_id AS user_id,
                   source.word_id AS word_id,
                   (least(5, coalesce(answer.correct, 0))::integer)::integer AS mastery_level,
                   (coalesce(answer.count, 0)::integer)::integer AS review_count,
                   ((ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5, coalesce(answer.correct,
                                                          0))])::integer AS interval_days,
                   (answer.last)::timestamptz AS last_review_date,
                   greatest(answer.last + (ARRAY[1, 2, 4, 7, 15, 30])[1 + least(5,
                            coalesce(answer.correct, 0))]
                       * interval '1 day',
         CASE WHEN answer.last IS NOT NULL THEN now() + interval '1 day' END) AS next_review_date
            FROM ONLY %s AS source
            LEFT JOIN LATERAL (
                SELECT (count(*)), (count(*) FILTER (WHERE answer.is_correct)),
                    (max(answer.timestamp))
                FROM danci.answer_records AS answer
                WHERE source.user_id = answer.user_id
                  AND source.word_id = answer.word_id
                GROUP BY answer.user_id, answer.word_id
            ) AS answer (count, correct, last) ON true
            WHERE source.ctid >= $1 AND source.ctid < $2)
            INSERT INTO danci.word_learning_states AS t
                (user_id, word_id, mastery_level, review_count, interval_days, last_review_date,
                 next_review_date)
            OVERRIDING SYSTEM VALUE
            SELECT i.user_id, i.word_id, i.mastery_level, i.review_count, i.interval_days,
                i.last_review_date, i.next_review_date
            FROM image AS i
            WHERE NOT EXISTS (SELECT FROM danci.word_learning_states AS t
                              WHERE t.user_id = i.user_id AND t.word_id = i.word_id
                                AND NOT coalesce(i.last_review_date > t.last_review_date,
                                    i.last_review_date IS NOT NULL AND t.last_review_date IS NULL))
            ORDER BY i.user_id, i.word_id
            ON CONFLICT (user_id, word_id) DO UPDATE
                SET mastery_level = excluded.mastery_level,
                    review_count = excluded.review_count,
                    interval_days = excluded.interval_days,
                    last_review_date = excluded.last_review_date
                WHERE coalesce(excluded.last_review_date > t.last_review_date,
                               excluded.last_review_date IS NOT NULL AND t.last_review_date IS NULL)
        $merge$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_words.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.copy_chunk(regclass, bigint, bigint, text) IS
    'Merges a range of blocks into the target, where the newer row by last_review_date wins; '
    'returns the rows written. The strategy is always overwrite. Called by pgtandem._copy_chunk, '
    'which marks the write as ours.';

-- What a backfill or a repair overwrites, for "pgtandem undo words".
CREATE TABLE pgtandem_words.pre_image (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         jsonb NOT NULL,
    layout      integer NOT NULL,
    xact        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    before_xmin xid,
    after_xmin  xid,
    before_ctid tid,
    after_ctid  tid,
    before      text,
    after       bytea,
    sqlstate    text,
    message     text
);
CREATE INDEX pre_image_key_idx ON pgtandem_words.pre_image USING hash (key);
COMMENT ON TABLE pgtandem_words.pre_image IS
    'What a backfill or a repair wrote of danci.word_learning_states, a row for each write; stored '
    'in its transaction.';
COMMENT ON COLUMN pgtandem_words.pre_image.id IS
    'Order of the writes of a key, but for those of triggers: they come before the write that '
    'fired them.';
COMMENT ON COLUMN pgtandem_words.pre_image.key IS 'JSON array of the key columns.';
COMMENT ON COLUMN pgtandem_words.pre_image.layout IS 'The columns of both, in pgtandem.layout.';
COMMENT ON COLUMN pgtandem_words.pre_image.xact IS 'The transaction that wrote it.';
COMMENT ON COLUMN pgtandem_words.pre_image.before_xmin
    IS 'The xmin of the row before; NULL: there was none.';
COMMENT ON COLUMN pgtandem_words.pre_image.after_xmin
    IS 'The xmin of the row after: xact, or a subtransaction of it; NULL: there is none.';
COMMENT ON COLUMN pgtandem_words.pre_image.before_ctid IS 'Where the row before was.';
COMMENT ON COLUMN pgtandem_words.pre_image.after_ctid
    IS 'Where the row after is, until something moves it.';
COMMENT ON COLUMN pgtandem_words.pre_image.before
    IS 'The row before, as text; NULL: there was none.';
COMMENT ON COLUMN pgtandem_words.pre_image.after IS
    'SHA-256 of the text of the row after; NULL: it was deleted; empty: perhaps by the '
    'application.';
COMMENT ON COLUMN pgtandem_words.pre_image.sqlstate
    IS 'Why the last undo could not; NULL: it did not fail.';
COMMENT ON COLUMN pgtandem_words.pre_image.message IS 'The same in words.';

CREATE OR REPLACE FUNCTION pgtandem_words.record_pre_image() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET array_nulls = on
SET "DateStyle" = 'ISO, YMD'
SET "IntervalStyle" = 'postgres'
SET "TimeZone" = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET lc_monetary = 'C'
SET xmloption = 'content'
AS $pre_image$
DECLARE
    v_layout  integer := nullif(current_setting('pgtandem_words.layout_' || TG_RELID, true),
                                '')::integer;
    v_old     pgtandem_words.pre_image;
    v_new     pgtandem_words.pre_image;
BEGIN
    IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        PERFORM pgtandem._refuse_write('words', current_user);
    END IF;
    IF v_layout IS NULL THEN
        v_layout := pgtandem._layout('words', TG_RELID);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_old.before := OLD::text;
        v_old.before_xmin := OLD.xmin;
        v_old.before_ctid := OLD.ctid;
        v_old.key := jsonb_build_array(OLD.user_id, OLD.word_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_new.after := sha256(convert_to(NEW::text, 'UTF8'));
        v_new.after_xmin := NEW.xmin;
        v_new.after_ctid := NEW.ctid;
        v_new.key := jsonb_build_array(NEW.user_id, NEW.word_id);
    END IF;
    IF v_old.key <> v_new.key THEN
        INSERT INTO pgtandem_words.pre_image (key, layout, before_xmin, before_ctid, before)
        VALUES (v_old.key, v_layout, v_old.before_xmin, v_old.before_ctid, v_old.before);
        v_old := NULL;
    END IF;
    INSERT INTO pgtandem_words.pre_image
        (key, layout, before_xmin, after_xmin, before_ctid, after_ctid, before, after)
    VALUES (coalesce(v_new.key, v_old.key), v_layout, v_old.before_xmin, v_new.after_xmin,
            v_old.before_ctid, v_new.after_ctid, v_old.before,
            CASE current_setting('pgtandem_words.record') WHEN 'ours' THEN v_new.after ELSE '' END);
    RETURN NULL;
END;
$pre_image$;
REVOKE ALL ON FUNCTION pgtandem_words.record_pre_image() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.record_pre_image() IS
    'Trigger on danci.word_learning_states: stores what a backfill or a repair overwrites, in its '
    'transaction.';

-- Whatever other triggers of the table would make of a row that an undo writes: it becomes what it
-- was.
CREATE OR REPLACE FUNCTION pgtandem_words.restore() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET array_nulls = on
SET "DateStyle" = 'ISO, YMD'
SET "IntervalStyle" = 'postgres'
SET "TimeZone" = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET lc_monetary = 'C'
SET xmloption = 'content'
AS $restore$
DECLARE
    v_layout integer := nullif(current_setting('pgtandem_words.layout_' || TG_RELID, true),
                               '')::integer;
    v_before text;
    v_stored integer;
BEGIN
    -- @plpgsql_check_options: other_warnings = off
    -- The dynamic statement returns a row of this very table.
    IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        PERFORM pgtandem._refuse_write('words', current_user);
    END IF;
    SELECT p.before, p.layout INTO v_before, v_stored
    FROM pgtandem_words.pre_image AS p
    WHERE p.id = current_setting('pgtandem_words.undo',
                                 true)::bigint AND p.key = jsonb_build_array(NEW.user_id,
                                 NEW.word_id);
    IF NOT FOUND THEN
        RETURN NEW;  -- another row, by another trigger
    ELSIF pg_trigger_depth() > 1 THEN
        RETURN NULL;  -- an UPDATE by another trigger, which would go on for ever
    END IF;
    IF v_layout IS NULL THEN
        v_layout := pgtandem._layout('words', TG_RELID);
    END IF;
    IF v_layout <> v_stored THEN
        SELECT pgtandem._overlay(v_before, l.columns, NEW::text, pgtandem._columns_of(TG_RELID))
        INTO v_before
        FROM pgtandem.layout AS l WHERE l.id = v_stored;
    END IF;
    EXECUTE format('SELECT (s.r).* FROM (SELECT $1::%s AS r OFFSET 0) AS s', TG_RELID::regclass)
    INTO NEW USING v_before;
    RETURN NEW;
END;
$restore$;
REVOKE ALL ON FUNCTION pgtandem_words.restore() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.restore() IS
    'Trigger on danci.word_learning_states, before each write of an undo: the row becomes what it '
    'was.';

CREATE OR REPLACE FUNCTION pgtandem_words.row_of(
    p_key      jsonb,
    p_lock     boolean DEFAULT false,
    OUT fields text,
    OUT writer xid
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET array_nulls = on
SET "DateStyle" = 'ISO, YMD'
SET "IntervalStyle" = 'postgres'
SET "TimeZone" = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET lc_monetary = 'C'
SET xmloption = 'content'
AS $row_of$
DECLARE
    v_key1 danci.word_learning_states.user_id%TYPE := (p_key ->> 0)::uuid;
    v_key2 danci.word_learning_states.word_id%TYPE := (p_key ->> 1)::integer;
BEGIN
    IF p_lock THEN
        PERFORM FROM danci.word_learning_states AS t WHERE t.user_id = v_key1
            AND t.word_id = v_key2 FOR UPDATE;
    END IF;
    SELECT (t.*)::text, t.xmin INTO fields, writer
    FROM danci.word_learning_states AS t WHERE t.user_id = v_key1 AND t.word_id = v_key2;
END;
$row_of$;
REVOKE ALL ON FUNCTION pgtandem_words.row_of(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.row_of(jsonb, boolean) IS
    'The row of a key as text, locked if wanted, and who wrote it; NULL: there is none.';

CREATE OR REPLACE FUNCTION pgtandem_words.order_of(p_key jsonb) RETURNS bigint[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $order_of$
    -- What a trigger wrote of a row is stored before the write of the statement that fired it:
    -- which row came of which tells.
    WITH RECURSIVE own AS MATERIALIZED (
        SELECT * FROM pgtandem_words.pre_image WHERE key = p_key
    ), linked AS (
        SELECT o.*, o.id AS chain, 1 AS place, min(o.id) OVER (PARTITION BY o.xact) AS since,
               o.before IS NULL AS anew
        FROM own AS o
        WHERE NOT EXISTS (SELECT FROM own AS b
                          WHERE b.layout = o.layout
                            AND b.after_xmin = o.before_xmin AND b.after_ctid = o.before_ctid)
        UNION ALL
        SELECT o.*, b.chain, b.place + 1, b.since, b.anew
        FROM linked AS b
        JOIN own AS o ON b.layout = o.layout
                     AND b.after_xmin = o.before_xmin AND b.after_ctid = o.before_ctid
    ), placed AS (
        -- Of one transaction, what takes the row away that was there comes before what makes
        -- another.
        SELECT l.id, l.place, l.since, l.anew, min(l.id) OVER (PARTITION BY l.chain) AS first
        FROM linked AS l
    )
    SELECT CASE WHEN NOT (SELECT bool_and(a.as_stored) FROM (
                    SELECT o.before_xmin IS NOT DISTINCT FROM lag(o.after_xmin) OVER w
                           AND o.before_ctid IS NOT DISTINCT FROM lag(o.after_ctid) OVER w
                           OR row_number() OVER w = 1 AS as_stored
                    FROM own AS o WINDOW w AS (ORDER BY o.id)) AS a)
                THEN (SELECT array_agg(p.id ORDER BY p.since, p.anew, p.first, p.place,
                                       p.id) FROM placed AS p) END;
$order_of$;
REVOKE ALL ON FUNCTION pgtandem_words.order_of(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.order_of(jsonb) IS
    'The ids of the pre-images of a key in the order of its writes; NULL: that of the ids.';

CREATE OR REPLACE FUNCTION pgtandem_words.disown(p_key jsonb) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $disown$
    UPDATE pgtandem_words.pre_image AS p
    SET after = ''
    WHERE p.key = p_key AND p.after IS DISTINCT FROM '';
$disown$;
REVOKE ALL ON FUNCTION pgtandem_words.disown(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.disown(jsonb) IS
    'Says of a key that an application wrote it, too: a chunk may have brought that write. Called '
    'by pgtandem._drain_batch.';

CREATE OR REPLACE FUNCTION pgtandem_words.adopt(p_row danci.word_learning_states, p_was xid,
                                                p_is xid) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $adopt$
    UPDATE pgtandem_words.pre_image AS p
    SET after_xmin = p_is
    WHERE p.key = jsonb_build_array(p_row.user_id, p_row.word_id) AND p.after_xmin = p_was;
$adopt$;
REVOKE ALL ON FUNCTION pgtandem_words.adopt(danci.word_learning_states, xid, xid) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.adopt(danci.word_learning_states, xid, xid) IS
    'The undo of another mapping has made a row what this one left: it has another writer now. '
    'Called by pgtandem._adopt.';

-- One key: hold its row, then read it in a statement of its own, and write it if nobody else has.
CREATE OR REPLACE FUNCTION pgtandem_words.undo_key(
    p_key        jsonb,
    p_write      boolean,
    p_force      boolean,
    p_columns    jsonb,
    p_references text,
    p_others     text[] DEFAULT NULL,
    p_from       bigint DEFAULT 1,
    OUT action   text,
    OUT reason   text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $undo$
DECLARE
    v_key1 danci.word_learning_states.user_id%TYPE := (p_key ->> 0)::uuid;
    v_key2 danci.word_learning_states.word_id%TYPE := (p_key ->> 1)::integer;
    v_row     text;
    v_writer  xid;
    v_image   record;
    v_first   record;
    v_after   bytea;
    v_columns jsonb;
    v_after_xmin xid;
    v_broken  boolean := false;
    v_nothing boolean;
    v_there   boolean;
    v_before  text;
    v_then    danci.word_learning_states;
    v_order   bigint[];
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The condition is made of quoted names by pgtandem._references.
    IF (SELECT count(*) > 1 FROM (SELECT FROM pgtandem_words.pre_image AS p
                                  WHERE p.key = p_key LIMIT 2) AS c) THEN
        v_order := pgtandem_words.order_of(p_key);
    END IF;
    FOR v_image IN
        SELECT p.*, l.columns
        FROM pgtandem_words.pre_image AS p
        JOIN pgtandem.layout AS l ON l.id = p.layout
        LEFT JOIN unnest(v_order) WITH ORDINALITY AS o (id, place) ON o.id = p.id
        WHERE p.key = p_key AND p.id >= p_from
        ORDER BY o.place, p.id
    LOOP
        IF v_columns IS NULL THEN
            v_first := v_image;
        ELSIF v_after_xmin IS DISTINCT FROM v_image.before_xmin
              OR v_after IS DISTINCT FROM sha256(convert_to((CASE WHEN v_image.columns = v_columns
                                                            THEN v_image.before
            ELSE pgtandem._overlay(v_image.before, v_image.columns, NULL, v_columns) END),
            'UTF8')) THEN
            v_broken := true;  -- the application wrote it between two writes of ours
        END IF;
        v_after_xmin := v_image.after_xmin;
        v_after := v_image.after;
        v_columns := v_image.columns;
    END LOOP;
    IF v_columns IS NULL THEN
        RETURN;  -- another session was here
    END IF;
    SELECT r.fields, r.writer INTO v_row, v_writer FROM pgtandem_words.row_of(p_key, p_write) AS r;
    v_nothing := NOT v_broken AND v_after IS NOT DISTINCT FROM sha256(convert_to((CASE
        WHEN v_first.columns = v_columns THEN v_first.before
            ELSE pgtandem._overlay(v_first.before, v_first.columns, NULL, v_columns) END), 'UTF8'));
    v_broken := v_broken OR v_after_xmin IS DISTINCT FROM v_writer
                OR v_after IS DISTINCT FROM sha256(convert_to((CASE WHEN p_columns = v_columns
                                                   THEN v_row
            ELSE pgtandem._overlay(v_row, p_columns, NULL, v_columns) END), 'UTF8'));
    action := CASE WHEN v_nothing
                        OR (CASE WHEN p_columns = v_first.columns THEN v_row
            ELSE pgtandem._overlay(v_row, p_columns, NULL,
                                   v_first.columns) END) IS NOT DISTINCT FROM v_first.before
                   THEN 'none'
                   WHEN v_first.before IS NULL THEN 'delete'
                   WHEN v_row IS NULL THEN 'insert'
                   ELSE 'restore' END;
    -- The same in the columns of now.
    v_before := v_first.before;
    IF v_first.columns <> p_columns THEN
        v_columns := pgtandem._columns_of('danci.word_learning_states'::regclass);
        v_before := pgtandem._overlay(v_before, v_first.columns, v_row, v_columns);
    END IF;
    IF action <> 'none' AND NOT p_force THEN
        reason := CASE WHEN v_broken AND v_row IS NULL THEN 'deleted'
                       WHEN v_broken AND v_after IS NULL THEN 'inserted'
                       WHEN v_broken THEN 'changed' END;
        IF reason IS NULL AND EXISTS (
               SELECT FROM pgtandem.recheck AS r
               WHERE r.mapping = 'words' AND r.key = p_key
                 AND r.side = 'target' AND r.via IS NULL AND r.reason IN ('queued', 'sync')) THEN
            reason := 'queued';
        END IF;
        IF reason IS NULL AND action IN ('delete', 'restore') AND p_references IS NOT NULL THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %1$s AS t LEFT JOIN (SELECT ($1::%1$s).*) '
                           'AS b ON true '
                           'WHERE t.user_id = $2 AND t.word_id = $3 AND (%2$s))',
                           'danci.word_learning_states', p_references)
            INTO v_there
            USING v_before, v_key1, v_key2;
            reason := CASE WHEN v_there THEN 'referenced' END;
        END IF;
    END IF;
    IF reason IS NOT NULL THEN
        action := 'leave';
    END IF;
    IF NOT p_write OR action = 'leave' THEN
        RETURN;
    END IF;
    IF action <> 'none' THEN
        PERFORM set_config('pgtandem_words.undo', v_first.id::text, true);
        -- What the mapping writes, so that triggers see it change; restore() has the last word on
        -- all.
        v_then := v_before::danci.word_learning_states;
        IF action = 'delete' THEN
            DELETE FROM danci.word_learning_states AS t WHERE t.user_id = v_key1
                AND t.word_id = v_key2;
        ELSIF action = 'restore' THEN
            UPDATE danci.word_learning_states AS t
            SET mastery_level = v_then.mastery_level, review_count = v_then.review_count,
                interval_days = v_then.interval_days, last_review_date = v_then.last_review_date,
                next_review_date = v_then.next_review_date
            WHERE t.user_id = v_key1 AND t.word_id = v_key2;
        ELSE
            INSERT INTO danci.word_learning_states (user_id, word_id, mastery_level, review_count,
                                                    interval_days, last_review_date,
                                                    next_review_date)
            OVERRIDING SYSTEM VALUE
            VALUES (v_then.user_id, v_then.word_id, v_then.mastery_level, v_then.review_count,
                    v_then.interval_days, v_then.last_review_date, v_then.next_review_date);
        END IF;
        PERFORM set_config('pgtandem_words.undo', '', true);
        SELECT r.fields INTO v_row FROM pgtandem_words.row_of(p_key) AS r;
        v_there := (CASE WHEN p_columns = v_first.columns THEN v_row
            ELSE pgtandem._overlay(v_row, p_columns, NULL,
                                   v_first.columns) END) IS NOT DISTINCT FROM v_first.before;
        IF NOT v_there THEN
            RAISE EXCEPTION 'the target % does not let the row % become what it was',
                'danci.word_learning_states', p_key
                USING ERRCODE = 'TD010',
                      DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                      HINT = 'Disable that trigger, and undo again.';
        END IF;
        IF p_others IS NOT NULL THEN
            PERFORM pgtandem._adopt(p_others, t, v_first.before_xmin, t.xmin)
            FROM danci.word_learning_states AS t WHERE t.user_id = v_key1 AND t.word_id = v_key2;
        END IF;
    END IF;
    DELETE FROM pgtandem_words.pre_image AS p WHERE p.key = p_key AND p.id >= p_from;
END;
$undo$;
REVOKE ALL ON FUNCTION pgtandem_words.undo_key(jsonb, boolean, boolean, jsonb, text, text[],
                                               bigint) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.undo_key(jsonb, boolean, boolean, jsonb, text, text[], bigint) IS
    'Undoes what was recorded of a key, or says what it would do: restore, delete, insert, none '
    '(it is as it was), or leave and the reason. TD010. Called by pgtandem._undo_batch, which '
    'marks the write as ours.';

-- Not what an undo itself writes, but what other triggers write because of it.
CREATE OR REPLACE TRIGGER "!pgtandem_words_pre_image"
    AFTER INSERT OR UPDATE OR DELETE ON danci.word_learning_states
    FOR EACH ROW
    WHEN (current_setting('pgtandem_words.record', true) <> ''
          AND (pg_trigger_depth() > 0 OR coalesce(current_setting('pgtandem_words.undo', true),
                                                  '') = ''))
    EXECUTE FUNCTION pgtandem_words.record_pre_image();
CREATE OR REPLACE TRIGGER "~pgtandem_words_restore"
    BEFORE INSERT OR UPDATE ON danci.word_learning_states
    FOR EACH ROW
    WHEN (current_setting('pgtandem_words.undo', true) <> '')
    EXECUTE FUNCTION pgtandem_words.restore();
ALTER TABLE danci.word_learning_states
    ENABLE ALWAYS TRIGGER "!pgtandem_words_pre_image",
    ENABLE ALWAYS TRIGGER "~pgtandem_words_restore";

-- A write of the source queues its key, and takes no lock but that of its own row: the old
-- application cannot wait for anybody. "pgtandem drain words --follow" brings the image over.
CREATE OR REPLACE FUNCTION pgtandem_words.sync_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $forward$
#variable_conflict use_column
DECLARE
    v_old    ALIAS FOR old;
    v_new    ALIAS FOR new;
    v_before jsonb;
    v_after  jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.user_id IS DISTINCT FROM NEW.user_id
                                 OR OLD.word_id IS DISTINCT FROM NEW.word_id) THEN
        -- Nothing that is mapped. The trigger pgtandem_words_moved is for rows that change block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.user_id, v_old.word_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.user_id, v_new.word_id);
    END IF;

    IF v_before IS NOT NULL THEN
        PERFORM pgtandem.queue('words', v_before, 'queued');
    END IF;
    IF v_after IS DISTINCT FROM v_before AND v_after IS NOT NULL THEN
        PERFORM pgtandem.queue('words', v_after, 'queued');
    END IF;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_words.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.sync_forward() IS
    'Trigger on danci.word_scores: queues the key of each written row, for a drain.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('danci.word_scores', 'pgtandem_words',
                                          ARRAY['pgtandem_words_write', 'pgtandem_words_update',
                                                'pgtandem_words_moved',
                                                'pgtandem_words_truncate']::text[]);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_words_write
    AFTER INSERT OR DELETE ON danci.word_scores
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_words.sync_forward();
CREATE OR REPLACE TRIGGER pgtandem_words_update
    AFTER UPDATE ON danci.word_scores
    FOR EACH ROW
EXECUTE FUNCTION pgtandem_words.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. words_backfill disables this one.
CREATE OR REPLACE TRIGGER pgtandem_words_moved
    AFTER UPDATE ON danci.word_scores
    FOR EACH ROW
EXECUTE FUNCTION pgtandem_words.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE danci.word_scores
    ENABLE ALWAYS TRIGGER pgtandem_words_write,
    ENABLE ALWAYS TRIGGER pgtandem_words_update,
    ENABLE ALWAYS TRIGGER pgtandem_words_moved;

-- A row of danci.answer_records touches the key that it names.
CREATE OR REPLACE FUNCTION pgtandem_words.touched_answer() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $touched$
#variable_conflict use_column
DECLARE
    v_old    ALIAS FOR old;
    v_new    ALIAS FOR new;
    v_before jsonb;
    v_after  jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.user_id IS DISTINCT FROM NEW.user_id
                                 OR OLD.word_id IS DISTINCT FROM NEW.word_id
                                 OR OLD.is_correct IS DISTINCT FROM NEW.is_correct
                                 OR OLD."timestamp" IS DISTINCT FROM NEW."timestamp") THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.user_id, v_old.word_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.user_id, v_new.word_id);
    END IF;

    -- A row with a NULL there touches nobody.
    IF NOT v_before @> '[null]' THEN
        PERFORM pgtandem.queue('words', v_before, 'queued', 'target', NULL);
    END IF;
    IF v_after IS DISTINCT FROM v_before AND NOT v_after @> '[null]' THEN
        PERFORM pgtandem.queue('words', v_after, 'queued', 'target', NULL);
    END IF;
    RETURN NULL;
END;
$touched$;
REVOKE ALL ON FUNCTION pgtandem_words.touched_answer() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.touched_answer() IS
    'Trigger on danci.answer_records: queues what each written row touches, before and after.';
DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('danci.answer_records', 'pgtandem_words',
                                          ARRAY['pgtandem_words_answer']);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_words_answer
    AFTER INSERT OR UPDATE OR DELETE ON danci.answer_records
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_words.touched_answer();
ALTER TABLE danci.answer_records ENABLE ALWAYS TRIGGER pgtandem_words_answer;

CREATE OR REPLACE FUNCTION pgtandem_words.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "words" and cannot be truncated',
        'danci.word_scores'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_words.truncate_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.truncate_source() IS
    'Trigger on danci.word_scores: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'danci.word_scores'::regclass
                   UNION SELECT relid FROM pg_partition_tree('danci.word_scores')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_words.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_words.truncate_source()',
                       'pgtandem_words_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_words_truncate');
    END LOOP;
END;
$leaves$;

CREATE OR REPLACE FUNCTION pgtandem_words.truncate_answer() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "words" and cannot be truncated',
        'danci.answer_records'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_words.truncate_answer() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_words.truncate_answer() IS
    'Trigger on danci.answer_records: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'danci.answer_records'::regclass
                   UNION SELECT relid FROM pg_partition_tree('danci.answer_records')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_words.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_words.truncate_answer()',
                       'pgtandem_words_answer_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_words_answer_truncate');
    END LOOP;
END;
$leaves$;

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('words');
    PERFORM pgtandem.take_sample('words');
    PERFORM pgtandem.set_phase('words', 'sync');
END;
$do$;

COMMIT;
