-- Deploy pgtandem:drain to pg
-- requires: recheck
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._mark(text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._mark(p_mapping text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_name   text := format('pgtandem_%s.depth', p_mapping);
    v_before text := coalesce(current_setting(v_name, true), '');
BEGIN
    PERFORM set_config(v_name, pg_trigger_depth()::text, true);
    RETURN v_before;
END;
$$;
COMMENT ON FUNCTION pgtandem._mark(text) IS
    'Marks what is written at this trigger depth as ours, so that no sync trigger carries it on; '
    'returns the mark before, to be set again. The end of the (sub)transaction forgets it as well.';

CREATE FUNCTION pgtandem._record(p_mapping text, p_whose text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT set_config(format('pgtandem_%s.record', p_mapping), p_whose, true);
$$;
COMMENT ON FUNCTION pgtandem._record(text, text) IS
    'Whose work it is what is written of the target from here on. ours: of a backfill or a '
    'repair, and an undo takes it back. gone: perhaps of an application, and an undo lists it. '
    'Empty: of an application. The end of the (sub)transaction forgets it as well.';

CREATE FUNCTION pgtandem._require_room(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_images regclass := to_regclass(format('pgtandem_%s.pre_image', p_mapping));
    v_limit  text := (SELECT settings #>> '{backfill,undo_limit}' FROM pgtandem.mapping
                      WHERE name = p_mapping);
BEGIN
    IF pg_total_relation_size(v_images) > pg_size_bytes(v_limit) THEN
        RAISE EXCEPTION 'the pre-images of mapping "%" take more than % (backfill.undo_limit)',
            p_mapping, v_limit
            USING ERRCODE = 'TD064',
                  DETAIL = format('%s hold %s. What is copied stays copied.', v_images,
                                  pg_size_pretty(pg_total_relation_size(v_images))),
                  HINT = format('pgtandem undo %1$s --drop, if what was written so far is to '
                                'stay; or UPDATE pgtandem.mapping SET settings = jsonb_set('
                                'settings, ''{backfill,undo_limit}'', ''"20GB"'') WHERE name = '
                                '%2$L;', p_mapping, p_mapping);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._require_room(text) IS
    'Raises TD064 where the stored pre-images of a mapping are beyond backfill.undo_limit.';

CREATE FUNCTION pgtandem._settled_at_once(p_mapping text, p_key jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((SELECT jsonb_agg(k.value ORDER BY k.n)
                     FROM pgtandem.mapping AS m,
                          jsonb_array_elements(p_key) WITH ORDINALITY AS k (value, n)
                     WHERE m.name = p_mapping AND k.n <= (m.settings ->> 'unit')::integer),
                    p_key);
$$;
COMMENT ON FUNCTION pgtandem._settled_at_once(text, jsonb) IS
    'What a drain settles at once of a key: where one source row becomes several rows of the '
    'target, the columns by which they belong together; else all of it.';

CREATE FUNCTION pgtandem._settle(p_mapping text, p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_marker text := pgtandem._mark(p_mapping);
    v_key    jsonb := pgtandem._settled_at_once(p_mapping, p_key);
    v_result text;
BEGIN
    -- Where there is no row to lock, two sessions would not see what the other is about to insert.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_mapping || v_key::text, 0));
    EXECUTE format('SELECT %I.settle($1)', 'pgtandem_' || p_mapping) INTO v_result USING v_key;
    PERFORM set_config(format('pgtandem_%s.depth', p_mapping), v_marker, true);
    RETURN v_result;
END;
$$;
COMMENT ON FUNCTION pgtandem._settle(text, jsonb) IS
    'Makes one key of the target equal to its image, by the settle function of the mapping.';

CREATE FUNCTION pgtandem._resolve_touches(p_mapping text, p_upto bigint DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_count integer;
BEGIN
    IF NOT EXISTS (SELECT FROM pgtandem.recheck
                   WHERE mapping = p_mapping AND via IS NOT NULL
                     AND (p_upto IS NULL OR id <= p_upto)) THEN
        RETURN 0;
    END IF;
    -- Looked up here and not by the writer: what lies between may belong to another key by then.
    EXECUTE format($resolve$
        WITH taken AS (
            DELETE FROM pgtandem.recheck
            WHERE id IN (SELECT r.id FROM pgtandem.recheck AS r
                         WHERE r.mapping = $1 AND r.via IS NOT NULL AND ($2 IS NULL OR r.id <= $2)
                         ORDER BY r.id LIMIT 1000 FOR UPDATE SKIP LOCKED)
            RETURNING via, key, queued_at
        ), added AS (
            INSERT INTO pgtandem.recheck (mapping, key, reason, queued_at)
            SELECT $1, k.key, 'queued', min(t.queued_at)
            FROM taken AS t CROSS JOIN LATERAL %I.touched(t.via, t.key) AS k (key)
            GROUP BY k.key
        )
        SELECT count(*) FROM taken
        $resolve$, 'pgtandem_' || p_mapping)
    INTO v_count USING p_mapping, p_upto;
    RETURN v_count;
END;
$$;
COMMENT ON FUNCTION pgtandem._resolve_touches(text, bigint) IS
    'Takes up to 1,000 entries that were queued by way of another table (with an id up to p_upto, '
    'where given), and queues the keys behind them; returns how many entries it took.';

CREATE FUNCTION pgtandem._due(
    p_mapping   text,
    p_reason    text,
    p_upto      bigint,
    p_keep_gone boolean,
    OUT id      bigint,
    OUT key     jsonb,
    OUT reason  text
) RETURNS SETOF record
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
-- A queue that has just become long has no statistics yet: do not read and sort all of it a batch.
SET enable_sort = off
SET enable_seqscan = off
AS $$
    WITH oldest AS MATERIALIZED (
        SELECT r.id, r.key, r.reason
        FROM pgtandem.recheck AS r
        WHERE r.mapping = p_mapping
          AND r.side = 'target'
          AND r.via IS NULL
          AND r.not_before <= clock_timestamp()
          AND (p_reason IS NULL OR r.reason = p_reason)
          AND (p_upto IS NULL OR r.id <= p_upto)
          AND (NOT p_keep_gone OR r.reason <> 'gone')
        ORDER BY r.id
        LIMIT 100
        FOR UPDATE SKIP LOCKED
    ), same_keys AS MATERIALIZED (
        SELECT l.id, l.key, l.reason
        FROM (SELECT DISTINCT o.key FROM oldest AS o) AS k
        CROSS JOIN LATERAL (
            SELECT r.id, r.key, r.reason
            FROM pgtandem.recheck AS r
            WHERE r.mapping = p_mapping
              AND r.key = k.key
              AND r.side = 'target'
              AND r.via IS NULL
              AND r.attempts = 0
              AND (p_reason IS NULL OR r.reason = p_reason)
              AND (p_upto IS NULL OR r.id <= p_upto)
              AND (NOT p_keep_gone OR r.reason <> 'gone')
            FOR UPDATE SKIP LOCKED
        ) AS l
    )
    SELECT * FROM oldest UNION SELECT * FROM same_keys;
$$;
COMMENT ON FUNCTION pgtandem._due(text, text, bigint, boolean) IS
    'Locks the first 100 entries that are due and that no other session works on (of one reason, '
    'with an id up to p_upto, without those of images that are gone, where given), and whatever '
    'else is queued of their keys by now, which is settled with them.';

CREATE FUNCTION pgtandem._drain_keys(
    p_mapping   text,
    p_reason    text,
    p_upto      bigint,
    p_together  boolean,
    OUT settled integer,
    OUT failed  integer,
    OUT more    boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_deadline  timestamptz := clock_timestamp() + interval '0.2 seconds';
    -- A chunk in flight may still put back what is gone: until all are done, such a key stays
    -- queued.
    v_keep_gone boolean := p_upto IS NULL AND (pgtandem.mapping_of(p_mapping)).copy_state = 'open';
    -- In mode queued a chunk may also put back an older image, as nobody has locked the row.
    v_keep_all  boolean := v_keep_gone AND (pgtandem.mapping_of(p_mapping)).settings
                                           #>> '{sync,mode}' = 'queued';
    v_recorded  boolean := to_regclass(format('pgtandem_%s.pre_image', p_mapping)) IS NOT NULL;
    v_entry     record;
    v_result    text;
    v_sqlstate  text;
    v_message   text;
BEGIN
    settled := 0;
    failed := 0;
    more := false;
    FOR v_entry IN
        SELECT q.key, array_agg(q.id) AS ids,
               CASE WHEN bool_or(q.reason NOT IN ('copy', 'difference', 'gone')) THEN ''
                    WHEN bool_and(q.reason = 'gone') THEN 'gone' ELSE 'ours' END AS whose
        FROM pgtandem._due(p_mapping, p_reason, p_upto, v_keep_gone) AS q
        GROUP BY q.key
        ORDER BY q.key
    LOOP
        more := true;
        BEGIN
            IF v_recorded AND v_entry.whose = 'ours' THEN
                PERFORM pgtandem._require_room(p_mapping);
            END IF;
            PERFORM pgtandem._record(p_mapping, v_entry.whose);
            v_result := pgtandem._settle(p_mapping, v_entry.key);
            IF NOT p_together THEN
                SET CONSTRAINTS ALL IMMEDIATE;
                SET CONSTRAINTS ALL DEFERRED;  -- of the next, after its last statement
            END IF;
            DELETE FROM pgtandem.recheck WHERE id = ANY (v_entry.ids);
            IF v_recorded AND v_entry.whose = '' THEN
                -- A chunk may have brought what the application wrote.
                EXECUTE format('SELECT %I.disown($1)', 'pgtandem_' || p_mapping)
                USING pgtandem._settled_at_once(p_mapping, v_entry.key);
            END IF;
            IF v_keep_all OR v_keep_gone AND v_result IN ('deleted', 'equal') THEN
                PERFORM pgtandem.queue(p_mapping, v_entry.key, 'gone');
            END IF;
            UPDATE pgtandem.sync_failure
            SET repaired_at = clock_timestamp()
            WHERE mapping = p_mapping AND key = v_entry.key AND repaired_at IS NULL;
            settled := settled + 1;
        EXCEPTION
            WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
                UPDATE pgtandem.recheck
                SET attempts = attempts + 1,
                    sqlstate = v_sqlstate,
                    message = v_message,
                    not_before = clock_timestamp()
                                 + least(0.1 * 2 ^ least(attempts, 12), CASE
                                       WHEN v_sqlstate IN ('40001', '40P01', '55P03') THEN 2
                                       ELSE 300 END) * (0.5 + random()) * interval '1 second'
                WHERE id = ANY (v_entry.ids);
                failed := failed + 1;
        END;
        EXIT WHEN clock_timestamp() > v_deadline;
    END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    PERFORM pgtandem._record(p_mapping, '');
END;
$$;
COMMENT ON FUNCTION pgtandem._drain_keys(text, text, bigint, boolean) IS
    'What _drain_batch does with the keys that are due. p_together: what may be deferred to the '
    'commit is checked at the end, for all of them, and raises; else after each.';

CREATE FUNCTION pgtandem._drain_batch(
    p_mapping   text,
    p_reason    text DEFAULT NULL,
    p_upto      bigint DEFAULT NULL,
    OUT settled integer,
    OUT failed  integer,
    OUT more    boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_touched boolean;
BEGIN
    IF p_reason = 'difference' THEN
        PERFORM pgtandem._require_room(p_mapping);
    END IF;
    -- Below deadlock_timeout: where an application holds the target row, ours gives way.
    PERFORM set_config('lock_timeout', '100ms', true);
    v_touched := pgtandem._resolve_touches(p_mapping, p_upto) > 0;
    BEGIN
        SELECT k.settled, k.failed, k.more INTO settled, failed, more
        FROM pgtandem._drain_keys(p_mapping, p_reason, p_upto, true) AS k;
    EXCEPTION
        WHEN OTHERS THEN
            -- A row that fails is to fail by itself, not the commit of all.
            SELECT k.settled, k.failed, k.more INTO settled, failed, more
            FROM pgtandem._drain_keys(p_mapping, p_reason, p_upto, false) AS k;
    END;
    more := more OR v_touched;
END;
$$;
COMMENT ON FUNCTION pgtandem._drain_batch(text, text, bigint) IS
    'Settles up to 100 entries that are due (of one reason, with an id up to p_upto, where '
    'given), for 0.2 seconds, and counts the keys; more: it found some. A key that fails stays '
    'queued with its error and is tried again later. While the copy is open, keys that may have '
    'no image stay queued, too, for the end of the backfill (p_upto).';

CREATE FUNCTION pgtandem._last_queued(p_mapping text) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(max(id), 0) FROM pgtandem.recheck WHERE mapping = p_mapping;
$$;
COMMENT ON FUNCTION pgtandem._last_queued(text) IS
    'The id of the last entry in the queue of a mapping; 0: there is none.';

CREATE FUNCTION pgtandem._is_due(p_mapping text, p_upto bigint) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM pgtandem.recheck AS r
        JOIN pgtandem.mapping AS m ON m.name = r.mapping
        WHERE r.mapping = p_mapping AND r.side = 'target' AND r.id <= p_upto
          AND r.not_before <= clock_timestamp()
          AND (r.reason <> 'gone' OR m.copy_state <> 'open')
    );
$$;
COMMENT ON FUNCTION pgtandem._is_due(text, bigint) IS
    'Whether something is due in the queue of a mapping that has an id up to p_upto.';

CREATE FUNCTION pgtandem._drain_check(p_mapping text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (pgtandem.mapping_of(p_mapping)).phase IN ('expand', 'contract') THEN
        RAISE EXCEPTION 'mapping "%" has no sync now, so its queue cannot be drained', p_mapping
            USING ERRCODE = 'TD006',
                  DETAIL = 'Only the phases sync and backfill keep both sides equal.',
                  HINT = 'Deploy its sync change first, or revert its contract.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._drain_check(text) IS
    'Raises TD006 where a mapping is not in a phase in which its queue may be drained.';

CREATE FUNCTION pgtandem._drain_report(p_mapping text, p_settled bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_left   bigint;
    v_failed bigint;
BEGIN
    SELECT count(*), count(*) FILTER (WHERE attempts > 0) INTO v_left, v_failed
    FROM pgtandem.recheck WHERE mapping = p_mapping AND side = 'target';
    RAISE INFO 'drained %: % keys settled, % entries left, % of them failed before',
        p_mapping, p_settled, v_left, v_failed;
END;
$$;
COMMENT ON FUNCTION pgtandem._drain_report(text, bigint) IS 'Says what a drain did and left.';

-- No SET search_path: PostgreSQL refuses it for a procedure that commits. All names are qualified.
CREATE PROCEDURE pgtandem.drain(p_mapping text, p_reason text DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
    v_settled bigint := 0;
    v_upto    bigint;
    v_batch   record;
BEGIN
    PERFORM pgtandem._drain_check(p_mapping);
    v_upto := pgtandem._last_queued(p_mapping);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        EXIT WHEN pgtandem._resolve_touches(p_mapping, v_upto) OPERATOR(pg_catalog.=) 0;
    END LOOP;
    -- What is queued from now on is for the next drain: writers may be quicker than this one.
    v_upto := pgtandem._last_queued(p_mapping);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SELECT * INTO v_batch FROM pgtandem._drain_batch(p_mapping, p_reason);
        v_settled := v_settled OPERATOR(pg_catalog.+) v_batch.settled;
        EXIT WHEN NOT v_batch.more OR NOT pgtandem._is_due(p_mapping, v_upto);
    END LOOP;
    PERFORM pgtandem._drain_report(p_mapping, v_settled);
END;
$$;
COMMENT ON PROCEDURE pgtandem.drain(text, text) IS
    'Works off what is in the recheck queue when it begins (or its entries of one reason) until '
    'nothing of it is due. Commits after each batch; may be interrupted and repeated, and run in '
    'several sessions. What is gone is left to the backfill while the copy is open. TD001 unknown '
    'mapping, TD006 no sync.';

COMMIT;
