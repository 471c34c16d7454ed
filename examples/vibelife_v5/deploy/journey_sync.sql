-- Deploy vibelife_v5:journey_sync to pg
-- requires: journey_expand
-- requires: pgtandem:drain
-- requires: pgtandem:undo_run
--
-- Rendered by pgtandem 0.1.0 from the mapping "journey", SHA-256 babeb2c3dddf5b25.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of vibelife.vibe_users, vibelife.conversations, vibelife.messages,
-- vibelife.payments queues the key that it touches, and a drain brings the image to
-- vibelife.vibe_users. Opens the copy: what was there before is still to be backfilled.
--
-- Locks: all of its tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers
-- wait, readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
-- The image without what is computed once.
CREATE VIEW pgtandem_journey.kept AS
SELECT source.vibe_id AS vibe_id,
       (message.last)::timestamp AS last_active_at
FROM vibelife.vibe_users AS source
LEFT JOIN (
    SELECT conversation.user_id, (count(DISTINCT message.created_at::date)),
        (max(message.created_at))
    FROM vibelife.messages AS message
    JOIN vibelife.conversations AS conversation ON conversation.id = message.conversation_id
    WHERE (message.role = 'user')
    GROUP BY 1
) AS message (pgtandem_1, days, last) ON message.pgtandem_1 = source.vibe_id
LEFT JOIN (
    SELECT payment.user_id, (count(*))
    FROM vibelife.payments AS payment
    WHERE (payment.status = 'completed')
    GROUP BY 1
) AS payment (pgtandem_1, completed) ON payment.pgtandem_1 = source.vibe_id;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users", "vibelife.conversations", '
                                 '"vibelife.messages", "vibelife.payments"}',
                                 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('journey',
        'babeb2c3dddf5b25d1d69a3bbc81e033a3146af85c144076c79a6ef357021355');
    PERFORM pgtandem.require_unique('vibelife.vibe_users', ARRAY['vibe_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_journey.image', 'vibelife.vibe_users',
                                  ARRAY['vibe_id', 'created_at']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_journey.image', 'vibelife.conversations',
                                  ARRAY['id', 'user_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_journey.image', 'vibelife.messages',
                                  ARRAY['conversation_id', 'role', 'created_at']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_journey.image', 'vibelife.payments',
                                  ARRAY['user_id', 'status']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_journey.kept',
                                        '{"vibelife.vibe_users", "vibelife.conversations", '
                                        '"vibelife.messages", "vibelife.payments"}');
    PERFORM pgtandem.require_index('vibelife.conversations', ARRAY['user_id']::text[]);
    PERFORM pgtandem.require_index('vibelife.messages', ARRAY['conversation_id']::text[]);
    PERFORM pgtandem.require_index('vibelife.payments', ARRAY['user_id']::text[]);
    PERFORM pgtandem.require_index('vibelife.conversations', ARRAY['id']::text[]);
END;
$do$;
DROP VIEW pgtandem_journey.kept;

-- One key of the queue: hold the row, then read its image in a statement of its own.
CREATE OR REPLACE FUNCTION pgtandem_journey.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 vibelife.vibe_users.vibe_id%TYPE := (p_key ->> 0)::uuid;
BEGIN
    PERFORM FROM vibelife.vibe_users AS t
    WHERE t.vibe_id = v_key1
    FOR NO KEY UPDATE;
    UPDATE vibelife.vibe_users AS t
    SET last_active_at = i.last_active_at,
        journey_stage = CASE WHEN (SELECT journey_stage IS NULL OR journey_stage = 'encounter'
            FROM (SELECT t.*) AS target) IS TRUE THEN i.journey_stage ELSE t.journey_stage END,
        journey_started_at = CASE WHEN (SELECT journey_started_at IS NULL FROM (SELECT t.*)
            AS target) IS TRUE THEN i.journey_started_at ELSE t.journey_started_at END
    FROM pgtandem_journey.image_of_key AS i
    WHERE t.vibe_id = v_key1 AND i.vibe_id = v_key1
      AND (i.last_active_at IS DISTINCT FROM t.last_active_at
           OR ((SELECT journey_stage IS NULL OR journey_stage = 'encounter' FROM (SELECT t.*)
                AS target) IS TRUE AND i.journey_stage IS DISTINCT FROM t.journey_stage)
           OR ((SELECT journey_started_at IS NULL FROM (SELECT t.*) AS target) IS TRUE
               AND i.journey_started_at IS DISTINCT FROM t.journey_started_at));
    IF NOT FOUND THEN
        RETURN 'equal';
    END IF;
    IF EXISTS (
           SELECT FROM vibelife.vibe_users AS t, pgtandem_journey.image_of_key AS i
           WHERE t.vibe_id = v_key1 AND i.vibe_id = v_key1
             AND (i.last_active_at IS DISTINCT FROM t.last_active_at
                  OR ((SELECT journey_stage IS NULL OR journey_stage = 'encounter' FROM (SELECT t.*)
                       AS target) IS TRUE AND i.journey_stage IS DISTINCT FROM t.journey_stage)
                  OR ((SELECT journey_started_at IS NULL FROM (SELECT t.*) AS target) IS TRUE
                      AND i.journey_started_at IS DISTINCT FROM t.journey_started_at))) THEN
        RAISE EXCEPTION 'the table % does not keep the image of key %', 'vibelife.vibe_users', p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the table, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the table really stores.';
    END IF;
    RETURN 'updated';
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_journey.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.settle(jsonb) IS
    'Makes a row hold its image: updated or equal. TD010. Called by pgtandem._settle, which marks '
    'the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_journey.chunk_keys(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $chunk_keys$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT jsonb_build_array(source.vibe_id)
        FROM ONLY %s AS source
        WHERE source.ctid >= $1 AND source.ctid < $2
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_journey.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

-- Rows that hold their image already are not written.
CREATE OR REPLACE FUNCTION pgtandem_journey.copy_chunk(
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
            UPDATE ONLY %s AS t
            SET last_active_at = i.last_active_at,
                journey_stage = CASE WHEN (SELECT journey_stage IS NULL
                    OR journey_stage = 'encounter' FROM (SELECT t.*) AS target) IS TRUE
                    THEN i.journey_stage ELSE t.journey_stage END,
                journey_started_at = CASE WHEN (SELECT journey_started_at IS NULL FROM (SELECT t.*)
                    AS target) IS TRUE THEN i.journey_started_at ELSE t.journey_started_at END
            FROM (
                SELECT source.vibe_id AS vibe_id,
                       (message.last)::timestamp AS last_active_at,
                       CASE WHEN message.days >= 60 AND payment.completed > 0 THEN 'symbiosis'
     WHEN message.days >= 14 AND payment.completed > 0 THEN 'dependence'
     WHEN message.days >= 3 THEN 'trust'
     WHEN message.days >= 1 THEN 'understanding'
     ELSE 'first_sight' END AS journey_stage,
                       source.created_at AS journey_started_at
                FROM ONLY %s AS source
                LEFT JOIN LATERAL (
                    SELECT (count(DISTINCT message.created_at::date)), (max(message.created_at))
                    FROM vibelife.messages AS message
                    JOIN vibelife.conversations AS conversation
                        ON conversation.id = message.conversation_id
                    WHERE source.vibe_id = conversation.user_id
                      AND (message.role = 'user')
                    GROUP BY conversation.user_id
                ) AS message (days, last) ON true
                LEFT JOIN LATERAL (
                    SELECT (count(*))
                    FROM vibelife.payments AS payment
                    WHERE source.vibe_id = payment.user_id
                      AND (payment.status = 'completed')
                    GROUP BY payment.user_id
                ) AS payment (completed) ON true
                WHERE source.ctid >= $1 AND source.ctid < $2
            ) AS i
            WHERE t.vibe_id = i.vibe_id
              AND (i.last_active_at IS DISTINCT FROM t.last_active_at
                   OR ((SELECT journey_stage IS NULL OR journey_stage = 'encounter'
                       FROM (SELECT t.*) AS target) IS TRUE AND i.journey_stage
                       IS DISTINCT FROM t.journey_stage)
                   OR ((SELECT journey_started_at IS NULL FROM (SELECT t.*) AS target) IS TRUE
                       AND i.journey_started_at IS DISTINCT FROM t.journey_started_at))
        $bring_up$, p_relation, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_journey.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.copy_chunk(regclass, bigint, bigint, text) IS
    'Brings the rows of a range of blocks up to their image; returns the rows written. The '
    'strategy is always overwrite. Called by pgtandem._copy_chunk, which marks the write as ours.';

-- What a backfill or a drain writes is no write of an application: triggers of the table's own (a
-- time of the last change) shall not change anything else of the row.
CREATE OR REPLACE FUNCTION pgtandem_journey.keep() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $keep$
DECLARE
    v_new record := NEW;
BEGIN
    -- Not NEW := OLD: of a row that is older than a column, PL/pgSQL frees a default that is not
    -- its own.
    SELECT OLD.* INTO NEW;
    NEW.last_active_at := v_new.last_active_at;
    NEW.journey_stage := v_new.journey_stage;
    NEW.journey_started_at := v_new.journey_started_at;
    RETURN NEW;
END;
$keep$;
REVOKE ALL ON FUNCTION pgtandem_journey.keep() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.keep() IS
    'Trigger on vibelife.vibe_users: a backfill or a drain changes the mapped columns alone.';
DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.vibe_users', 'pgtandem_journey',
                                          ARRAY['~pgtandem_journey_write',
                                                '~pgtandem_journey_update',
                                                '~pgtandem_journey_moved',
                                                '~pgtandem_journey_truncate',
                                                '~pgtandem_journey_keep']::text[]);
    PERFORM pgtandem.require_last('vibelife.vibe_users', '~pgtandem_journey_keep');
END;
$do$;
CREATE OR REPLACE TRIGGER "~pgtandem_journey_keep"
    BEFORE UPDATE ON vibelife.vibe_users
    FOR EACH ROW
    WHEN (current_setting('pgtandem_journey.depth', true) = pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_journey.keep();
ALTER TABLE vibelife.vibe_users ENABLE ALWAYS TRIGGER "~pgtandem_journey_keep";

-- What a backfill or a repair overwrites, for "pgtandem undo journey".
CREATE TABLE pgtandem_journey.pre_image (
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
CREATE INDEX pre_image_key_idx ON pgtandem_journey.pre_image USING hash (key);
COMMENT ON TABLE pgtandem_journey.pre_image IS
    'What a backfill or a repair wrote of vibelife.vibe_users, a row for each write; stored in its '
    'transaction.';
COMMENT ON COLUMN pgtandem_journey.pre_image.id IS
    'Order of the writes of a key, but for those of triggers: they come before the write that '
    'fired them.';
COMMENT ON COLUMN pgtandem_journey.pre_image.key IS 'JSON array of the key columns.';
COMMENT ON COLUMN pgtandem_journey.pre_image.layout IS 'The columns of both, in pgtandem.layout.';
COMMENT ON COLUMN pgtandem_journey.pre_image.xact IS 'The transaction that wrote it.';
COMMENT ON COLUMN pgtandem_journey.pre_image.before_xmin
    IS 'The xmin of the row before; NULL: there was none.';
COMMENT ON COLUMN pgtandem_journey.pre_image.after_xmin
    IS 'The xmin of the row after: xact, or a subtransaction of it; NULL: there is none.';
COMMENT ON COLUMN pgtandem_journey.pre_image.before_ctid IS 'Where the row before was.';
COMMENT ON COLUMN pgtandem_journey.pre_image.after_ctid
    IS 'Where the row after is, until something moves it.';
COMMENT ON COLUMN pgtandem_journey.pre_image.before
    IS 'The row before, as text; NULL: there was none.';
COMMENT ON COLUMN pgtandem_journey.pre_image.after IS
    'SHA-256 of the text of the row after; NULL: it was deleted; empty: perhaps by the '
    'application.';
COMMENT ON COLUMN pgtandem_journey.pre_image.sqlstate
    IS 'Why the last undo could not; NULL: it did not fail.';
COMMENT ON COLUMN pgtandem_journey.pre_image.message IS 'The same in words.';

CREATE OR REPLACE FUNCTION pgtandem_journey.record_pre_image() RETURNS trigger
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
    v_layout  integer := nullif(current_setting('pgtandem_journey.layout_' || TG_RELID, true),
                                '')::integer;
    v_old     pgtandem_journey.pre_image;
    v_new     pgtandem_journey.pre_image;
BEGIN
    IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        PERFORM pgtandem._refuse_write('journey', current_user);
    END IF;
    IF v_layout IS NULL THEN
        v_layout := pgtandem._layout('journey', TG_RELID);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_old.before := OLD::text;
        v_old.before_xmin := OLD.xmin;
        v_old.before_ctid := OLD.ctid;
        v_old.key := jsonb_build_array(OLD.vibe_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_new.after := sha256(convert_to(NEW::text, 'UTF8'));
        v_new.after_xmin := NEW.xmin;
        v_new.after_ctid := NEW.ctid;
        v_new.key := jsonb_build_array(NEW.vibe_id);
    END IF;
    IF v_old.key <> v_new.key THEN
        INSERT INTO pgtandem_journey.pre_image (key, layout, before_xmin, before_ctid, before)
        VALUES (v_old.key, v_layout, v_old.before_xmin, v_old.before_ctid, v_old.before);
        v_old := NULL;
    END IF;
    INSERT INTO pgtandem_journey.pre_image
        (key, layout, before_xmin, after_xmin, before_ctid, after_ctid, before, after)
    VALUES (coalesce(v_new.key, v_old.key), v_layout, v_old.before_xmin, v_new.after_xmin,
            v_old.before_ctid, v_new.after_ctid, v_old.before,
            CASE current_setting('pgtandem_journey.record') WHEN 'ours' THEN v_new.after
            ELSE '' END);
    RETURN NULL;
END;
$pre_image$;
REVOKE ALL ON FUNCTION pgtandem_journey.record_pre_image() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.record_pre_image() IS
    'Trigger on vibelife.vibe_users: stores what a backfill or a repair overwrites, in its '
    'transaction.';

-- Whatever other triggers of the table would make of a row that an undo writes: it becomes what it
-- was.
CREATE OR REPLACE FUNCTION pgtandem_journey.restore() RETURNS trigger
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
    v_layout integer := nullif(current_setting('pgtandem_journey.layout_' || TG_RELID, true),
                               '')::integer;
    v_before text;
    v_stored integer;
BEGIN
    -- @plpgsql_check_options: other_warnings = off
    -- The dynamic statement returns a row of this very table.
    IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        PERFORM pgtandem._refuse_write('journey', current_user);
    END IF;
    SELECT p.before, p.layout INTO v_before, v_stored
    FROM pgtandem_journey.pre_image AS p
    WHERE p.id = current_setting('pgtandem_journey.undo',
                                 true)::bigint AND p.key = jsonb_build_array(NEW.vibe_id);
    IF NOT FOUND THEN
        RETURN NEW;  -- another row, by another trigger
    ELSIF pg_trigger_depth() > 1 THEN
        RETURN NULL;  -- an UPDATE by another trigger, which would go on for ever
    END IF;
    IF v_layout IS NULL THEN
        v_layout := pgtandem._layout('journey', TG_RELID);
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
REVOKE ALL ON FUNCTION pgtandem_journey.restore() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.restore() IS
    'Trigger on vibelife.vibe_users, before each write of an undo: the row becomes what it was.';

CREATE OR REPLACE FUNCTION pgtandem_journey.row_of(
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
    v_key1 vibelife.vibe_users.vibe_id%TYPE := (p_key ->> 0)::uuid;
BEGIN
    IF p_lock THEN
        PERFORM FROM vibelife.vibe_users AS t WHERE t.vibe_id = v_key1 FOR UPDATE;
    END IF;
    SELECT (t.*)::text, t.xmin INTO fields, writer
    FROM vibelife.vibe_users AS t WHERE t.vibe_id = v_key1;
END;
$row_of$;
REVOKE ALL ON FUNCTION pgtandem_journey.row_of(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.row_of(jsonb, boolean) IS
    'The row of a key as text, locked if wanted, and who wrote it; NULL: there is none.';

CREATE OR REPLACE FUNCTION pgtandem_journey.order_of(p_key jsonb) RETURNS bigint[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $order_of$
    -- What a trigger wrote of a row is stored before the write of the statement that fired it:
    -- which row came of which tells.
    WITH RECURSIVE own AS MATERIALIZED (
        SELECT * FROM pgtandem_journey.pre_image WHERE key = p_key
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
REVOKE ALL ON FUNCTION pgtandem_journey.order_of(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.order_of(jsonb) IS
    'The ids of the pre-images of a key in the order of its writes; NULL: that of the ids.';

CREATE OR REPLACE FUNCTION pgtandem_journey.disown(p_key jsonb) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $disown$
    UPDATE pgtandem_journey.pre_image AS p
    SET after = ''
    WHERE p.key = p_key AND p.after IS DISTINCT FROM '';
$disown$;
REVOKE ALL ON FUNCTION pgtandem_journey.disown(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.disown(jsonb) IS
    'Says of a key that an application wrote it, too: a chunk may have brought that write. Called '
    'by pgtandem._drain_batch.';

CREATE OR REPLACE FUNCTION pgtandem_journey.adopt(p_row vibelife.vibe_users, p_was xid,
                                                  p_is xid) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $adopt$
    UPDATE pgtandem_journey.pre_image AS p
    SET after_xmin = p_is
    WHERE p.key = jsonb_build_array(p_row.vibe_id) AND p.after_xmin = p_was;
$adopt$;
REVOKE ALL ON FUNCTION pgtandem_journey.adopt(vibelife.vibe_users, xid, xid) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.adopt(vibelife.vibe_users, xid, xid) IS
    'The undo of another mapping has made a row what this one left: it has another writer now. '
    'Called by pgtandem._adopt.';

-- One key: hold its row, then read it in a statement of its own, and write it if nobody else has.
CREATE OR REPLACE FUNCTION pgtandem_journey.undo_key(
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
    v_key1 vibelife.vibe_users.vibe_id%TYPE := (p_key ->> 0)::uuid;
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
    v_then    vibelife.vibe_users;
    v_order   bigint[];
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The condition is made of quoted names by pgtandem._references.
    IF (SELECT count(*) > 1 FROM (SELECT FROM pgtandem_journey.pre_image AS p
                                  WHERE p.key = p_key LIMIT 2) AS c) THEN
        v_order := pgtandem_journey.order_of(p_key);
    END IF;
    FOR v_image IN
        SELECT p.*, l.columns
        FROM pgtandem_journey.pre_image AS p
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
    SELECT r.fields, r.writer INTO v_row, v_writer FROM pgtandem_journey.row_of(p_key,
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
        v_columns := pgtandem._columns_of('vibelife.vibe_users'::regclass);
        v_before := pgtandem._overlay(v_before, v_first.columns, v_row, v_columns);
    END IF;
    IF action <> 'none' AND NOT p_force THEN
        reason := CASE WHEN v_broken AND v_row IS NULL THEN 'deleted'
                       WHEN v_broken AND v_after IS NULL THEN 'inserted'
                       WHEN v_broken THEN 'changed' END;
        IF reason IS NULL AND EXISTS (
               SELECT FROM pgtandem.recheck AS r
               WHERE r.mapping = 'journey' AND r.key = p_key
                 AND r.side = 'target' AND r.via IS NULL AND r.reason IN ('queued', 'sync')) THEN
            reason := 'queued';
        END IF;
        IF reason IS NULL AND action IN ('delete', 'restore') AND p_references IS NOT NULL THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %1$s AS t LEFT JOIN (SELECT ($1::%1$s).*) '
                           'AS b ON true '
                           'WHERE t.vibe_id = $2 AND (%2$s))',
                           'vibelife.vibe_users', p_references)
            INTO v_there
            USING v_before, v_key1;
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
        PERFORM set_config('pgtandem_journey.undo', v_first.id::text, true);
        -- What the mapping writes, so that triggers see it change; restore() has the last word on
        -- all.
        v_then := v_before::vibelife.vibe_users;
        IF action = 'delete' THEN
            DELETE FROM vibelife.vibe_users AS t WHERE t.vibe_id = v_key1;
        ELSIF action = 'restore' THEN
            UPDATE vibelife.vibe_users AS t
            SET last_active_at = v_then.last_active_at, journey_stage = v_then.journey_stage,
                journey_started_at = v_then.journey_started_at
            WHERE t.vibe_id = v_key1;
        ELSE
            INSERT INTO vibelife.vibe_users (vibe_id, journey_stage, journey_started_at,
                                             last_active_at)
            OVERRIDING SYSTEM VALUE
            VALUES (v_then.vibe_id, v_then.journey_stage, v_then.journey_started_at,
                    v_then.last_active_at);
        END IF;
        PERFORM set_config('pgtandem_journey.undo', '', true);
        SELECT r.fields INTO v_row FROM pgtandem_journey.row_of(p_key) AS r;
        v_there := (CASE WHEN p_columns = v_first.columns THEN v_row
            ELSE pgtandem._overlay(v_row, p_columns, NULL,
                                   v_first.columns) END) IS NOT DISTINCT FROM v_first.before;
        IF NOT v_there THEN
            RAISE EXCEPTION 'the target % does not let the row % become what it was',
                'vibelife.vibe_users', p_key
                USING ERRCODE = 'TD010',
                      DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                      HINT = 'Disable that trigger, and undo again.';
        END IF;
        IF p_others IS NOT NULL THEN
            PERFORM pgtandem._adopt(p_others, t, v_first.before_xmin, t.xmin)
            FROM vibelife.vibe_users AS t WHERE t.vibe_id = v_key1;
        END IF;
    END IF;
    DELETE FROM pgtandem_journey.pre_image AS p WHERE p.key = p_key AND p.id >= p_from;
END;
$undo$;
REVOKE ALL ON FUNCTION pgtandem_journey.undo_key(jsonb, boolean, boolean, jsonb, text, text[],
                                                 bigint) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.undo_key(jsonb, boolean, boolean, jsonb, text, text[],
                                              bigint) IS
    'Undoes what was recorded of a key, or says what it would do: restore, delete, insert, none '
    '(it is as it was), or leave and the reason. TD010. Called by pgtandem._undo_batch, which '
    'marks the write as ours.';

-- Not what an undo itself writes, but what other triggers write because of it.
CREATE OR REPLACE TRIGGER "!pgtandem_journey_pre_image"
    AFTER INSERT OR UPDATE OR DELETE ON vibelife.vibe_users
    FOR EACH ROW
    WHEN (current_setting('pgtandem_journey.record', true) <> ''
          AND (pg_trigger_depth() > 0 OR coalesce(current_setting('pgtandem_journey.undo', true),
                                                  '') = ''))
    EXECUTE FUNCTION pgtandem_journey.record_pre_image();
CREATE OR REPLACE TRIGGER "~pgtandem_journey_restore"
    BEFORE INSERT OR UPDATE ON vibelife.vibe_users
    FOR EACH ROW
    WHEN (current_setting('pgtandem_journey.undo', true) <> '')
    EXECUTE FUNCTION pgtandem_journey.restore();
ALTER TABLE vibelife.vibe_users
    ENABLE ALWAYS TRIGGER "!pgtandem_journey_pre_image",
    ENABLE ALWAYS TRIGGER "~pgtandem_journey_restore";

-- A write of the source queues its key, and takes no lock but that of its own row: the old
-- application cannot wait for anybody. "pgtandem drain journey --follow" brings the image over.
CREATE OR REPLACE FUNCTION pgtandem_journey.sync_forward() RETURNS trigger
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
    IF TG_OP = 'UPDATE' AND NOT (OLD.vibe_id IS DISTINCT FROM NEW.vibe_id) THEN
        -- Nothing that is mapped. The trigger "~pgtandem_journey_moved" is for rows that change
        -- block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.vibe_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.vibe_id);
    END IF;

    IF v_before IS NOT NULL THEN
        PERFORM pgtandem.queue('journey', v_before, 'queued');
    END IF;
    IF v_after IS DISTINCT FROM v_before AND v_after IS NOT NULL THEN
        PERFORM pgtandem.queue('journey', v_after, 'queued');
    END IF;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_journey.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.sync_forward() IS
    'Trigger on vibelife.vibe_users: queues the key of each written row, for a drain.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.vibe_users', 'pgtandem_journey',
                                          ARRAY['~pgtandem_journey_write',
                                                '~pgtandem_journey_update',
                                                '~pgtandem_journey_moved',
                                                '~pgtandem_journey_truncate',
                                                '~pgtandem_journey_keep']::text[]);
END;
$do$;
CREATE OR REPLACE TRIGGER "~pgtandem_journey_write"
    AFTER INSERT OR DELETE ON vibelife.vibe_users
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_journey.sync_forward();
CREATE OR REPLACE TRIGGER "~pgtandem_journey_update"
    AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW
    WHEN (current_setting('pgtandem_journey.depth', true) IS DISTINCT FROM pg_trigger_depth()::text)
EXECUTE FUNCTION pgtandem_journey.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. journey_backfill disables this one.
CREATE OR REPLACE TRIGGER "~pgtandem_journey_moved"
    AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW
    WHEN (current_setting('pgtandem_journey.depth', true) IS DISTINCT FROM pg_trigger_depth()::text)
EXECUTE FUNCTION pgtandem_journey.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE vibelife.vibe_users
    ENABLE ALWAYS TRIGGER "~pgtandem_journey_write",
    ENABLE ALWAYS TRIGGER "~pgtandem_journey_update",
    ENABLE ALWAYS TRIGGER "~pgtandem_journey_moved";

-- A row of vibelife.conversations touches the key that it names.
CREATE OR REPLACE FUNCTION pgtandem_journey.touched_conversation() RETURNS trigger
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
    IF TG_OP = 'UPDATE' AND NOT (OLD.id IS DISTINCT FROM NEW.id
                                 OR OLD.user_id IS DISTINCT FROM NEW.user_id) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.user_id);
    END IF;

    -- A row with a NULL there touches nobody.
    IF NOT v_before @> '[null]' THEN
        PERFORM pgtandem.queue('journey', v_before, 'queued', 'target', NULL);
    END IF;
    IF v_after IS DISTINCT FROM v_before AND NOT v_after @> '[null]' THEN
        PERFORM pgtandem.queue('journey', v_after, 'queued', 'target', NULL);
    END IF;
    RETURN NULL;
END;
$touched$;
REVOKE ALL ON FUNCTION pgtandem_journey.touched_conversation() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.touched_conversation() IS
    'Trigger on vibelife.conversations: queues what each written row touches, before and after.';
DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.conversations', 'pgtandem_journey',
                                          ARRAY['pgtandem_journey_conversation']);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_journey_conversation
    AFTER INSERT OR UPDATE OR DELETE ON vibelife.conversations
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_journey.touched_conversation();
ALTER TABLE vibelife.conversations ENABLE ALWAYS TRIGGER pgtandem_journey_conversation;

-- A row of vibelife.messages touches its row of vibelife.conversations.
CREATE OR REPLACE FUNCTION pgtandem_journey.touched_message() RETURNS trigger
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
    IF TG_OP = 'UPDATE' AND NOT (OLD.conversation_id IS DISTINCT FROM NEW.conversation_id
                                 OR OLD.role IS DISTINCT FROM NEW.role
                                 OR OLD.created_at IS DISTINCT FROM NEW.created_at) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.conversation_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.conversation_id);
    END IF;

    -- A row with a NULL there touches nobody.
    IF NOT v_before @> '[null]' THEN
        PERFORM pgtandem.queue('journey', v_before, 'queued', 'target', 'message');
    END IF;
    IF v_after IS DISTINCT FROM v_before AND NOT v_after @> '[null]' THEN
        PERFORM pgtandem.queue('journey', v_after, 'queued', 'target', 'message');
    END IF;
    RETURN NULL;
END;
$touched$;
REVOKE ALL ON FUNCTION pgtandem_journey.touched_message() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.touched_message() IS
    'Trigger on vibelife.messages: queues what each written row touches, before and after.';
DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.messages', 'pgtandem_journey',
                                          ARRAY['pgtandem_journey_message']);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_journey_message
    AFTER INSERT OR UPDATE OR DELETE ON vibelife.messages
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_journey.touched_message();
ALTER TABLE vibelife.messages ENABLE ALWAYS TRIGGER pgtandem_journey_message;

-- A row of vibelife.payments touches the key that it names.
CREATE OR REPLACE FUNCTION pgtandem_journey.touched_payment() RETURNS trigger
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
                                 OR OLD.status IS DISTINCT FROM NEW.status) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.user_id);
    END IF;

    -- A row with a NULL there touches nobody.
    IF NOT v_before @> '[null]' THEN
        PERFORM pgtandem.queue('journey', v_before, 'queued', 'target', NULL);
    END IF;
    IF v_after IS DISTINCT FROM v_before AND NOT v_after @> '[null]' THEN
        PERFORM pgtandem.queue('journey', v_after, 'queued', 'target', NULL);
    END IF;
    RETURN NULL;
END;
$touched$;
REVOKE ALL ON FUNCTION pgtandem_journey.touched_payment() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.touched_payment() IS
    'Trigger on vibelife.payments: queues what each written row touches, before and after.';
DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.payments', 'pgtandem_journey',
                                          ARRAY['pgtandem_journey_payment']);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_journey_payment
    AFTER INSERT OR UPDATE OR DELETE ON vibelife.payments
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_journey.touched_payment();
ALTER TABLE vibelife.payments ENABLE ALWAYS TRIGGER pgtandem_journey_payment;

-- What a written row touched is looked up when it is drained, not when it was written: the rows
-- between may lead to another key by then, and whoever changed them cannot have seen our row.
CREATE OR REPLACE FUNCTION pgtandem_journey.touched(p_via text, p_key jsonb) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $touched$
#variable_conflict use_column
BEGIN
    IF p_via = 'message' THEN
        RETURN QUERY
        SELECT jsonb_build_array(source.vibe_id)
        FROM vibelife.vibe_users AS source
        JOIN vibelife.conversations AS conversation ON source.vibe_id = conversation.user_id
        WHERE conversation.id = ($2 ->> 0)::uuid;
    END IF;
END;
$touched$;
REVOKE ALL ON FUNCTION pgtandem_journey.touched(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.touched(text, jsonb) IS
    'The keys behind what a row of a joined table touched. Called by pgtandem._resolve_touches.';

CREATE OR REPLACE FUNCTION pgtandem_journey.truncate_conversation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "journey" and cannot be truncated',
        'vibelife.conversations'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_journey.truncate_conversation() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.truncate_conversation() IS
    'Trigger on vibelife.conversations: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.conversations'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.conversations')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_journey.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_journey.truncate_conversation()',
                       'pgtandem_journey_conversation_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_journey_conversation_truncate');
    END LOOP;
END;
$leaves$;

CREATE OR REPLACE FUNCTION pgtandem_journey.truncate_message() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "journey" and cannot be truncated',
        'vibelife.messages'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_journey.truncate_message() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.truncate_message() IS
    'Trigger on vibelife.messages: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.messages'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.messages')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_journey.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_journey.truncate_message()',
                       'pgtandem_journey_message_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_journey_message_truncate');
    END LOOP;
END;
$leaves$;

CREATE OR REPLACE FUNCTION pgtandem_journey.truncate_payment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "journey" and cannot be truncated',
        'vibelife.payments'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_journey.truncate_payment() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_journey.truncate_payment() IS
    'Trigger on vibelife.payments: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.payments'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.payments')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_journey.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_journey.truncate_payment()',
                       'pgtandem_journey_payment_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_journey_payment_truncate');
    END LOOP;
END;
$leaves$;

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('journey');
    PERFORM pgtandem.take_sample('journey');
    PERFORM pgtandem.set_phase('journey', 'sync');
END;
$do$;

COMMIT;
