-- Deploy danci:reviews_sync to pg
-- requires: reviews_expand
-- requires: pgtandem:drain
-- requires: pgtandem:undo_run
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

-- What a backfill or a repair overwrites, for "pgtandem undo reviews".
CREATE TABLE pgtandem_reviews.pre_image (
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
CREATE INDEX pre_image_key_idx ON pgtandem_reviews.pre_image USING hash (key);
COMMENT ON TABLE pgtandem_reviews.pre_image IS
    'What a backfill or a repair wrote of danci.word_learning_states, a row for each write; stored '
    'in its transaction.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.id IS
    'Order of the writes of a key, but for those of triggers: they come before the write that '
    'fired them.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.key IS 'JSON array of the key columns.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.layout IS 'The columns of both, in pgtandem.layout.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.xact IS 'The transaction that wrote it.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.before_xmin
    IS 'The xmin of the row before; NULL: there was none.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.after_xmin
    IS 'The xmin of the row after: xact, or a subtransaction of it; NULL: there is none.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.before_ctid IS 'Where the row before was.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.after_ctid
    IS 'Where the row after is, until something moves it.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.before
    IS 'The row before, as text; NULL: there was none.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.after IS
    'SHA-256 of the text of the row after; NULL: it was deleted; empty: perhaps by the '
    'application.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.sqlstate
    IS 'Why the last undo could not; NULL: it did not fail.';
COMMENT ON COLUMN pgtandem_reviews.pre_image.message IS 'The same in words.';

CREATE OR REPLACE FUNCTION pgtandem_reviews.record_pre_image() RETURNS trigger
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
    v_layout  integer := nullif(current_setting('pgtandem_reviews.layout_' || TG_RELID, true),
                                '')::integer;
    v_old     pgtandem_reviews.pre_image;
    v_new     pgtandem_reviews.pre_image;
BEGIN
    IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        PERFORM pgtandem._refuse_write('reviews', current_user);
    END IF;
    IF v_layout IS NULL THEN
        v_layout := pgtandem._layout('reviews', TG_RELID);
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
        INSERT INTO pgtandem_reviews.pre_image (key, layout, before_xmin, before_ctid, before)
        VALUES (v_old.key, v_layout, v_old.before_xmin, v_old.before_ctid, v_old.before);
        v_old := NULL;
    END IF;
    INSERT INTO pgtandem_reviews.pre_image
        (key, layout, before_xmin, after_xmin, before_ctid, after_ctid, before, after)
    VALUES (coalesce(v_new.key, v_old.key), v_layout, v_old.before_xmin, v_new.after_xmin,
            v_old.before_ctid, v_new.after_ctid, v_old.before,
            CASE current_setting('pgtandem_reviews.record') WHEN 'ours' THEN v_new.after
            ELSE '' END);
    RETURN NULL;
END;
$pre_image$;
REVOKE ALL ON FUNCTION pgtandem_reviews.record_pre_image() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.record_pre_image() IS
    'Trigger on danci.word_learning_states: stores what a backfill or a repair overwrites, in its '
    'transaction.';

-- Whatever other triggers of the table would make of a row that an undo writes: it becomes what it
-- was.
CREATE OR REPLACE FUNCTION pgtandem_reviews.restore() RETURNS trigger
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
    v_layout integer := nullif(current_setting('pgtandem_reviews.layout_' || TG_RELID, true),
                               '')::integer;
    v_before text;
    v_stored integer;
BEGIN
    -- @plpgsql_check_options: other_warnings = off
    -- The dynamic statement returns a row of this very table.
    IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        PERFORM pgtandem._refuse_write('reviews', current_user);
    END IF;
    SELECT p.before, p.layout INTO v_before, v_stored
    FROM pgtandem_reviews.pre_image AS p
    WHERE p.id = current_setting('pgtandem_reviews.undo',
                                 true)::bigint AND p.key = jsonb_build_array(NEW.user_id,
                                 NEW.word_id);
    IF NOT FOUND THEN
        RETURN NEW;  -- another row, by another trigger
    ELSIF pg_trigger_depth() > 1 THEN
        RETURN NULL;  -- an UPDATE by another trigger, which would go on for ever
    END IF;
    IF v_layout IS NULL THEN
        v_layout := pgtandem._layout('reviews', TG_RELID);
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
REVOKE ALL ON FUNCTION pgtandem_reviews.restore() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.restore() IS
    'Trigger on danci.word_learning_states, before each write of an undo: the row becomes what it '
    'was.';

CREATE OR REPLACE FUNCTION pgtandem_reviews.row_of(
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
REVOKE ALL ON FUNCTION pgtandem_reviews.row_of(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.row_of(jsonb, boolean) IS
    'The row of a key as text, locked if wanted, and who wrote it; NULL: there is none.';

CREATE OR REPLACE FUNCTION pgtandem_reviews.order_of(p_key jsonb) RETURNS bigint[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $order_of$
    -- What a trigger wrote of a row is stored before the write of the statement that fired it:
    -- which row came of which tells.
    WITH RECURSIVE own AS MATERIALIZED (
        SELECT * FROM pgtandem_reviews.pre_image WHERE key = p_key
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
REVOKE ALL ON FUNCTION pgtandem_reviews.order_of(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.order_of(jsonb) IS
    'The ids of the pre-images of a key in the order of its writes; NULL: that of the ids.';

CREATE OR REPLACE FUNCTION pgtandem_reviews.disown(p_key jsonb) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $disown$
    UPDATE pgtandem_reviews.pre_image AS p
    SET after = ''
    WHERE p.key = p_key AND p.after IS DISTINCT FROM '';
$disown$;
REVOKE ALL ON FUNCTION pgtandem_reviews.disown(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.disown(jsonb) IS
    'Says of a key that an application wrote it, too: a chunk may have brought that write. Called '
    'by pgtandem._drain_batch.';

CREATE OR REPLACE FUNCTION pgtandem_reviews.adopt(p_row danci.word_learning_states, p_was xid,
                                                  p_is xid) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $adopt$
    UPDATE pgtandem_reviews.pre_image AS p
    SET after_xmin = p_is
    WHERE p.key = jsonb_build_array(p_row.user_id, p_row.word_id) AND p.after_xmin = p_was;
$adopt$;
REVOKE ALL ON FUNCTION pgtandem_reviews.adopt(danci.word_learning_states, xid, xid) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.adopt(danci.word_learning_states, xid, xid) IS
    'The undo of another mapping has made a row what this one left: it has another writer now. '
    'Called by pgtandem._adopt.';

-- One key: hold its row, then read it in a statement of its own, and write it if nobody else has.
CREATE OR REPLACE FUNCTION pgtandem_reviews.undo_key(
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
    IF (SELECT count(*) > 1 FROM (SELECT FROM pgtandem_reviews.pre_image AS p
                                  WHERE p.key = p_key LIMIT 2) AS c) THEN
        v_order := pgtandem_reviews.order_of(p_key);
    END IF;
    FOR v_image IN
        SELECT p.*, l.columns
        FROM pgtandem_reviews.pre_image AS p
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
    SELECT r.fields, r.writer INTO v_row, v_writer FROM pgtandem_reviews.row_of(p_key,
    p_write) AS r;
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
               WHERE r.mapping = 'reviews' AND r.key = p_key
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
        PERFORM set_config('pgtandem_reviews.undo', v_first.id::text, true);
        -- What the mapping writes, so that triggers see it change; restore() has the last word on
        -- all.
        v_then := v_before::danci.word_learning_states;
        IF action = 'delete' THEN
            DELETE FROM danci.word_learning_states AS t WHERE t.user_id = v_key1
                AND t.word_id = v_key2;
        ELSIF action = 'restore' THEN
            UPDATE danci.word_learning_states AS t
            SET next_review_date = v_then.next_review_date
            WHERE t.user_id = v_key1 AND t.word_id = v_key2;
        ELSE
            INSERT INTO danci.word_learning_states (user_id, word_id, next_review_date)
            OVERRIDING SYSTEM VALUE
            VALUES (v_then.user_id, v_then.word_id, v_then.next_review_date);
        END IF;
        PERFORM set_config('pgtandem_reviews.undo', '', true);
        SELECT r.fields INTO v_row FROM pgtandem_reviews.row_of(p_key) AS r;
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
    DELETE FROM pgtandem_reviews.pre_image AS p WHERE p.key = p_key AND p.id >= p_from;
END;
$undo$;
REVOKE ALL ON FUNCTION pgtandem_reviews.undo_key(jsonb, boolean, boolean, jsonb, text, text[],
                                                 bigint) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_reviews.undo_key(jsonb, boolean, boolean, jsonb, text, text[],
                                              bigint) IS
    'Undoes what was recorded of a key, or says what it would do: restore, delete, insert, none '
    '(it is as it was), or leave and the reason. TD010. Called by pgtandem._undo_batch, which '
    'marks the write as ours.';

-- Not what an undo itself writes, but what other triggers write because of it.
CREATE OR REPLACE TRIGGER "!pgtandem_reviews_pre_image"
    AFTER INSERT OR UPDATE OR DELETE ON danci.word_learning_states
    FOR EACH ROW
    WHEN (current_setting('pgtandem_reviews.record', true) <> ''
          AND (pg_trigger_depth() > 0 OR coalesce(current_setting('pgtandem_reviews.undo', true),
                                                  '') = ''))
    EXECUTE FUNCTION pgtandem_reviews.record_pre_image();
CREATE OR REPLACE TRIGGER "~pgtandem_reviews_restore"
    BEFORE INSERT OR UPDATE ON danci.word_learning_states
    FOR EACH ROW
    WHEN (current_setting('pgtandem_reviews.undo', true) <> '')
    EXECUTE FUNCTION pgtandem_reviews.restore();
ALTER TABLE danci.word_learning_states
    ENABLE ALWAYS TRIGGER "!pgtandem_reviews_pre_image",
    ENABLE ALWAYS TRIGGER "~pgtandem_reviews_restore";

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('reviews');
    PERFORM pgtandem.take_sample('reviews');
    PERFORM pgtandem.set_phase('reviews', 'sync');
END;
$do$;

COMMIT;
