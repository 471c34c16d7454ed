-- Deploy pgtandem:undo_run to pg
-- requires: undo
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regtype('pgtandem.undo_step') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

-- Where a session stands between two transactions of its undo.
CREATE TYPE pgtandem.undo_step AS (
    first  bigint,
    last   bigint,
    below  bigint,
    again  boolean,
    undone bigint,
    before bigint,
    failed bigint,
    busy   bigint,
    tries  integer,
    echoes integer,
    wait   double precision,
    done   boolean
);
COMMENT ON TYPE pgtandem.undo_step IS
    'State of an undo: it goes down from the pre-image before first to last, and is at below; '
    'again: only those that failed; undone: keys, and before this pass; failed and busy (locked) '
    'keys of this pass; tries without success; echoes: passes over what triggers of the target '
    'wrote meanwhile; wait: seconds; done.';

CREATE FUNCTION pgtandem._undo_check(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_images  regclass := to_regclass(format('pgtandem_%s.pre_image', p_mapping));
    v_found   boolean := false;
    v_lost    text;
BEGIN
    IF v_mapping.phase IN ('expand', 'contract') THEN
        RAISE EXCEPTION 'mapping "%" is in phase %: its backfill cannot be undone',
            p_mapping, v_mapping.phase
            USING ERRCODE = 'TD061',
                  DETAIL = 'Only the phases sync and backfill can.',
                  HINT = CASE v_mapping.phase WHEN 'contract'
                              THEN format('Revert %s_contract first.', p_mapping)
                              ELSE format('Deploy %s_sync first; what was written before its last '
                                          'revert stays.', p_mapping) END;
    END IF;
    IF v_images IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', v_images) INTO v_found;
    END IF;
    IF NOT v_found THEN
        RAISE EXCEPTION 'nothing is recorded of mapping "%" that could be undone', p_mapping
            USING ERRCODE = 'TD062',
                  DETAIL = CASE WHEN v_images IS NULL THEN 'It has backfill.undo: false.'
                                ELSE 'No backfill or repair has written anything, or it was '
                                     'undone, or dropped.' END,
                  HINT = CASE WHEN v_images IS NULL THEN 'Set backfill.undo: true before the next '
                              'deploy of its sync.' ELSE 'See pgtandem.event.' END;
    END IF;
    EXECUTE format($lost$
        SELECT string_agg(DISTINCT format('%%s %%s', was.name ->> 0, was.name ->> 1), ', ')
        FROM pgtandem.layout AS l
        CROSS JOIN jsonb_array_elements(l.columns) AS was (name)
        WHERE l.mapping = $1
          AND was.name NOT IN (SELECT jsonb_array_elements($2))
          AND EXISTS (SELECT FROM %s WHERE layout = l.id)
        $lost$, v_images)
    INTO v_lost USING p_mapping, pgtandem._columns_of(v_mapping.target);
    PERFORM pgtandem._require_references(v_mapping.target);
    IF v_lost IS NOT NULL THEN
        RAISE EXCEPTION 'columns of % are gone or have another type since', v_mapping.target
            USING ERRCODE = 'TD063',
                  DETAIL = format('The pre-images of mapping "%s" have: %s. Nothing was undone.',
                                  p_mapping, v_lost),
                  HINT = format('Give the table these columns back; or let all stay as it is: '
                                'pgtandem undo %s --drop', p_mapping);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._undo_check(text) IS
    'Raises TD001, TD061 where a mapping is in another phase, TD062 where nothing is recorded, '
    'TD063 where columns have gone since, TD067 where rows that refer to it are hidden.';

CREATE FUNCTION pgtandem.undo_rows(p_mapping text, p_force_changed boolean DEFAULT false)
RETURNS TABLE (key jsonb, action text, reason text, sqlstate text, message text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_target regclass := (pgtandem.mapping_of(p_mapping)).target;
BEGIN
    -- @plpgsql_check_options: extra_warnings = off
    PERFORM pgtandem._undo_check(p_mapping);
    RETURN QUERY EXECUTE format($rows$
        SELECT i.key, u.action, u.reason, p.sqlstate, p.message
        FROM (SELECT key, max(id) AS id FROM %1$I.pre_image GROUP BY key) AS i
        JOIN %1$I.pre_image AS p ON p.id = i.id
        CROSS JOIN LATERAL %1$I.undo_key(i.key, false, $1, $2, $3) AS u
        ORDER BY i.id DESC
        $rows$, 'pgtandem_' || p_mapping)
    USING p_force_changed, pgtandem._columns_now(v_target), pgtandem._references(v_target);
END;
$$;
COMMENT ON FUNCTION pgtandem.undo_rows(text, boolean) IS
    'Each key that a backfill or a repair wrote, and what an undo would do with it now: restore, '
    'delete, insert, none (it is as it was), or leave, with the reason: changed, deleted or '
    'inserted since by the application, queued (a write of it waits), referenced by rows that a '
    'foreign key would delete or change. sqlstate, message: why the last undo failed. TD001, '
    'TD061 to TD063, TD067.';

CREATE FUNCTION pgtandem.undo_preview(p_mapping text, p_force_changed boolean DEFAULT false)
RETURNS TABLE (action text, reason text, rows bigint)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.action, r.reason, count(*) FROM pgtandem.undo_rows(p_mapping, p_force_changed) AS r
    GROUP BY r.action, r.reason ORDER BY r.action, r.reason;
$$;
COMMENT ON FUNCTION pgtandem.undo_preview(text, boolean) IS
    'How many rows of each kind undo_rows finds. Reads every pre-image and its row; writes '
    'nothing.';

CREATE FUNCTION pgtandem._undo_keys(p_mapping text, p_step pgtandem.undo_step)
RETURNS TABLE (id bigint, key jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Without statistics yet: do not read and sort all of it for each batch.
SET enable_sort = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    -- @plpgsql_check_options: extra_warnings = off
    RETURN QUERY EXECUTE format($keys$
        SELECT p.id, p.key FROM %1$I.pre_image AS p
        WHERE p.id >= $1 AND p.id < $2 AND (NOT $3 OR p.sqlstate IS NOT NULL)
          AND NOT EXISTS (SELECT FROM %1$I.pre_image AS o WHERE o.key = p.key AND o.id > p.id)
        ORDER BY p.id DESC LIMIT 100
        $keys$, 'pgtandem_' || p_mapping)
    USING p_step.last, p_step.below, p_step.again;
END;
$$;
COMMENT ON FUNCTION pgtandem._undo_keys(text, pgtandem.undo_step) IS
    'The next 100 keys, the last written first, so that rows go before those that they refer to.';

CREATE FUNCTION pgtandem._undo_batch(
    p_mapping  text,
    p_force    boolean,
    p_step     pgtandem.undo_step,
    p_together boolean
) RETURNS pgtandem.undo_step
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_deadline   timestamptz;
    v_mapping    pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_target     regclass := v_mapping.target;
    v_whole      boolean := v_mapping.settings -> 'unit' IS NULL;
    v_references text := CASE WHEN NOT p_force THEN pgtandem._references(v_target) END;
    v_others     text[] := (SELECT array_agg(format('%I', 'pgtandem_' || m.name))
                            FROM pgtandem.mapping AS m
                            WHERE m.target = v_target AND m.name <> p_mapping
                              AND to_regclass(format('pgtandem_%s.pre_image', m.name)) IS NOT NULL);
    v_marker     text;
    v_columns    jsonb;
    v_key        record;
    v_action     text;
    v_reason     text;
    v_sqlstate   text;
    v_message    text;
BEGIN
    p_step.done := true;
    PERFORM pgtandem._undo_alone(p_mapping);
    -- Its columns stay as they are now.
    PERFORM pgtandem.lock_tables(ARRAY[v_target], 'ACCESS SHARE', 5);
    v_columns := pgtandem._columns_now(v_target);
    v_deadline := clock_timestamp() + interval '0.2 seconds';
    -- A key that fails is to fail by itself, not the commit of all. But some only go together.
    IF p_together THEN
        SET CONSTRAINTS ALL DEFERRED;
    ELSE
        SET CONSTRAINTS ALL IMMEDIATE;
    END IF;
    -- Below deadlock_timeout: where an application holds the row, ours gives way.
    PERFORM set_config('lock_timeout', '100ms', true);
    PERFORM pgtandem._record(p_mapping, 'ours');
    FOR v_key IN SELECT * FROM pgtandem._undo_keys(p_mapping, p_step) LOOP
        p_step.done := false;
        p_step.below := v_key.id;
        BEGIN
            v_action := NULL;
            v_sqlstate := NULL;
            v_message := NULL;
            v_marker := pgtandem._mark(p_mapping);
            PERFORM pg_advisory_xact_lock(hashtextextended(p_mapping || CASE WHEN v_whole
                THEN v_key.key ELSE pgtandem._settled_at_once(p_mapping, v_key.key) END::text, 0));
            EXECUTE format('SELECT * FROM %I.undo_key($1, true, $2, $3, $4, $5)',
                           'pgtandem_' || p_mapping)
            INTO v_action, v_reason USING v_key.key, p_force, v_columns, v_references, v_others;
            IF v_action = 'leave' AND p_step.last > 1 THEN
                -- But not as a trigger has made it since, because of this undo.
                EXECUTE format('SELECT FROM %I.undo_key($1, true, false, $2, NULL, $3, $4)',
                               'pgtandem_' || p_mapping)
                USING v_key.key, v_columns, v_others, p_step.last;
            END IF;
            PERFORM set_config(format('pgtandem_%s.depth', p_mapping), v_marker, true);
            IF v_reason = 'referenced' THEN
                v_sqlstate := '23503';
                v_message := 'rows refer to it that a foreign key would delete or change';
            ELSIF v_action <> 'leave' THEN
                p_step.undone := p_step.undone + (p_step.last = 1)::integer;  -- each key once
            END IF;
        EXCEPTION
            WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
                p_step.busy := p_step.busy
                               + (v_sqlstate IN ('40001', '40P01', '55P03'))::integer;
        END;
        p_step.failed := p_step.failed + (v_sqlstate IS NOT NULL)::integer;
        IF v_sqlstate IS NOT NULL OR v_action = 'leave' THEN
            EXECUTE format('UPDATE %I.pre_image SET sqlstate = $1, message = $2 WHERE id = $3 '
                           'AND (sqlstate, message) IS DISTINCT FROM ($1, $2)',
                           'pgtandem_' || p_mapping)
            USING v_sqlstate, v_message, v_key.id;
        END IF;
        EXIT WHEN clock_timestamp() > v_deadline;
    END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    PERFORM pgtandem._record(p_mapping, '');
    RETURN p_step;
END;
$$;
COMMENT ON FUNCTION pgtandem._undo_batch(text, boolean, pgtandem.undo_step, boolean) IS
    'Undoes up to 100 keys, for 0.2 seconds. A key that fails keeps its pre-images, with the '
    'error. p_together: what may be deferred is checked at the end, for all, and raises. done: '
    'there were none. TD004, TD060, TD061 to TD063.';

CREATE FUNCTION pgtandem._undo_start(p_mapping text) RETURNS pgtandem.undo_step
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first bigint;
BEGIN
    PERFORM pgtandem._undo_check(p_mapping);
    PERFORM pgtandem._undo_alone(p_mapping);
    PERFORM pgtandem._worker_start(p_mapping);
    -- From the first undone row on, the target lacks images, so all is to be copied again.
    PERFORM pgtandem.open_copy(p_mapping);
    UPDATE pgtandem.mapping SET sweep = 'ask' WHERE name = p_mapping AND sweep = 'remove';
    PERFORM pgtandem._switch_moved(p_mapping, true);
    -- What we meant to write ourselves, and what the new copy finds by itself, as no chunk is in
    -- flight; what an application wrote stays queued.
    WITH forgotten AS (
        DELETE FROM pgtandem.recheck
        WHERE mapping = p_mapping AND side = 'target' AND reason IN ('copy', 'difference', 'gone')
        RETURNING key, reason
    )
    UPDATE pgtandem.sync_failure AS f SET repaired_at = clock_timestamp()
    FROM forgotten AS g
    WHERE f.mapping = p_mapping AND f.key = g.key AND f.reason = 'copy' AND g.reason = 'copy'
      AND f.repaired_at IS NULL;
    EXECUTE format('SELECT max(id) + 1 FROM %I.pre_image', 'pgtandem_' || p_mapping)
    INTO v_first;
    RETURN (v_first, 1, v_first, false, 0, 0, 0, 0, 0, 0, 0, false)::pgtandem.undo_step;
END;
$$;
COMMENT ON FUNCTION pgtandem._undo_start(text) IS
    'Opens the copy again, forgets what is queued of our own accord, shows the worker. TD001, '
    'TD004, TD060 to TD063, TD067.';

CREATE FUNCTION pgtandem._undo_step(p_mapping text, p_force boolean, p_step pgtandem.undo_step)
RETURNS pgtandem.undo_step
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first bigint;
    v_step  pgtandem.undo_step;
BEGIN
    -- The pre-images go with the rows, so a crash that loses the commit loses both.
    PERFORM set_config('synchronous_commit', 'off', true);
    p_step.wait := 0;
    IF p_step.again THEN
        BEGIN
            v_step := pgtandem._undo_batch(p_mapping, p_force, p_step, true);
        EXCEPTION
            WHEN OTHERS THEN
                NULL;  -- then each by itself
        END;
    END IF;
    p_step := coalesce(v_step, pgtandem._undo_batch(p_mapping, p_force, p_step, false));
    IF NOT p_step.done THEN
        RETURN p_step;
    END IF;
    EXECUTE format('SELECT max(id) + 1 FROM %I.pre_image', 'pgtandem_' || p_mapping) INTO v_first;
    IF v_first > p_step.first AND p_step.echoes < 20 THEN
        -- Triggers of the target have written other rows of it, because of what we wrote.
        p_step.done := false;
        p_step.echoes := p_step.echoes + 1;
        p_step.last := p_step.first;
        p_step.first := v_first;
        p_step.below := v_first;
        p_step.again := false;
        RETURN p_step;
    ELSIF v_first > p_step.first THEN
        EXECUTE format('UPDATE %I.pre_image SET sqlstate = $1, message = $2 WHERE id >= $3',
                       'pgtandem_' || p_mapping)
        USING 'TD010', 'a trigger of the target writes it again each time', p_step.first;
    END IF;
    IF p_step.failed > 0 AND (p_step.undone > p_step.before OR p_step.last > 1 OR NOT p_step.again)
       OR p_step.busy > 0 AND p_step.tries < 5 THEN
        -- Rows that referred to them may be gone by now, or those who held them.
        p_step.done := false;
        p_step.tries := CASE WHEN p_step.undone > p_step.before THEN 0 ELSE p_step.tries + 1 END;
        p_step.echoes := CASE WHEN p_step.undone > p_step.before THEN 0 ELSE p_step.echoes END;
        p_step.again := true;
        p_step.wait := 0.1 * 2 ^ p_step.tries;
        p_step.before := p_step.undone;
        p_step.last := 1;
        p_step.first := greatest(p_step.first, v_first);
        p_step.below := p_step.first;
        p_step.failed := 0;
        p_step.busy := 0;
    END IF;
    RETURN p_step;
END;
$$;
COMMENT ON FUNCTION pgtandem._undo_step(text, boolean, pgtandem.undo_step) IS
    'What an undo does in one transaction: a batch; and another pass over what failed, as long as '
    'that gets anywhere, or rows are locked (then up to five); and over what triggers wrote, up '
    'to twenty.';

CREATE FUNCTION pgtandem._undo_end(p_mapping text, p_force boolean, p_undone bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_images regclass := format('pgtandem_%s.pre_image', p_mapping)::regclass;
    v_left   bigint;
BEGIN
    PERFORM pgtandem._worker_end();
    EXECUTE format('SELECT count(DISTINCT key) FROM %s', v_images) INTO v_left;
    PERFORM pgtandem.log_event(p_mapping, 'undo', jsonb_build_object(
        'undone', p_undone, 'left', v_left, 'force_changed', p_force));
    IF v_left = 0 THEN
        PERFORM pgtandem._free_pre_images(v_images);
    END IF;
    RAISE INFO 'undone of %: % rows, % left as they are', p_mapping, p_undone, v_left;
END;
$$;
COMMENT ON FUNCTION pgtandem._undo_end(text, boolean, bigint) IS
    'Says and stores what an undo did, and frees the space of the pre-images where none is left.';

-- No SET search_path: PostgreSQL refuses it for a procedure that commits. All names are qualified.
CREATE PROCEDURE pgtandem.undo(p_mapping text, p_force_changed boolean DEFAULT false)
LANGUAGE plpgsql
AS $$
DECLARE
    v_step pgtandem.undo_step;
BEGIN
    v_step := pgtandem._undo_start(p_mapping);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        EXIT WHEN v_step.done;
        IF v_step.wait OPERATOR(pg_catalog.>) 0 THEN
            PERFORM pg_catalog.pg_sleep(v_step.wait);
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        END IF;
        v_step := pgtandem._undo_step(p_mapping, p_force_changed, v_step);
    END LOOP;
    PERFORM pgtandem._undo_end(p_mapping, p_force_changed, v_step.undone);
END;
$$;
COMMENT ON PROCEDURE pgtandem.undo(text, boolean) IS
    'Makes every row that a backfill or a repair wrote what it was before, a batch a transaction; '
    'rows that the application has changed since stay, unless p_force_changed. Opens the copy '
    'again from its first block. May be interrupted and repeated. TD001, TD004, TD060 to TD063, '
    'TD067.';

COMMIT;
