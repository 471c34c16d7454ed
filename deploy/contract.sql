-- Deploy pgtandem:contract to pg
-- requires: comparison
-- requires: backfill
-- requires: require
-- requires: dress_view
-- requires: dependents
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.override(text, text, text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem.override(p_mapping text, p_condition text, p_reason text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_known text[] := ARRAY(SELECT name FROM pgtandem.contract_conditions(p_mapping));
BEGIN
    IF p_condition <> ALL (v_known) THEN
        RAISE EXCEPTION 'there is no condition "%"', p_condition
            USING ERRCODE = 'TD021', HINT = format('One of: %s.', array_to_string(v_known, ', '));
    ELSIF coalesce(trim(p_reason), '') = '' THEN
        RAISE EXCEPTION 'an override needs a reason'
            USING ERRCODE = 'TD021', HINT = 'Say who decided it and why; it is logged.';
    END IF;
    PERFORM pgtandem.log_event(p_mapping, 'override',
                               jsonb_build_object('condition', p_condition), p_reason);
END;
$$;
COMMENT ON FUNCTION pgtandem.override(text, text, text) IS
    'Lets contract pass one named condition for an hour, with a reason that is logged. TD021.';

CREATE FUNCTION pgtandem.contract_conditions(p_mapping text)
RETURNS TABLE (name text, met boolean, figure text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping    pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_max_age    interval := pgtandem._setting(
                                 v_mapping.settings, 'contract', 'max_age', '1h')::interval;
    v_comparison pgtandem.comparison;
    v_queued     bigint;
    v_failed     bigint;
    v_found      text;
    v_reads      bigint;
    v_max_reads  bigint := pgtandem._setting(
                               v_mapping.settings, 'contract', 'max_old_reads', '100')::bigint;
    v_by_columns boolean := v_mapping.settings #> '{contract,columns,0}' IS NOT NULL;
BEGIN
    SELECT count(*), count(*) FILTER (WHERE r.sqlstate IS NOT NULL) INTO v_queued, v_failed
    FROM pgtandem.recheck AS r WHERE r.mapping = p_mapping AND r.side = 'target';
    name := 'copy_complete';
    SELECT string_agg(leaf, ', ') INTO v_found FROM pgtandem._changed_leaves(p_mapping);
    met := v_mapping.copy_state = 'complete' AND v_mapping.phase = 'backfill' AND v_found IS NULL;
    figure := format('copy %s, phase %s', v_mapping.copy_state, v_mapping.phase)
              || coalesce(', partitions have come or gone since: ' || v_found, '');
    hint := format(CASE
        WHEN v_found IS NOT NULL THEN 'pgtandem backfill %1$s'
        WHEN v_mapping.copy_state = 'none' THEN 'sqitch deploy --to %1$s_sync'
        WHEN v_mapping.copy_state = 'complete' THEN 'sqitch deploy --to %1$s_backfill'
        WHEN v_failed = 0 THEN 'pgtandem backfill %1$s; then sqitch deploy --to %1$s_backfill'
        ELSE 'See pgtandem.failures and mend what keeps these rows out; then pgtandem retry %1$s; '
             'pgtandem backfill %1$s; sqitch deploy --to %1$s_backfill' END, p_mapping);
    RETURN NEXT;

    SELECT * INTO v_comparison FROM pgtandem.comparison AS c
    WHERE c.mapping = p_mapping AND c.scope = 'full' AND c.hash = v_mapping.hash
    ORDER BY c.id DESC LIMIT 1;
    name := 'comparison_clean';
    met := v_comparison.id IS NOT NULL
           AND v_comparison.missing + v_comparison.extra + v_comparison.changed = 0
           AND v_comparison.started_at > v_mapping.copy_changed;
    figure := CASE WHEN v_comparison.id IS NULL THEN 'no full comparison with this mapping'
                   WHEN v_comparison.started_at <= v_mapping.copy_changed
                   THEN 'the last full comparison is older than the copy'
                   ELSE format('comparison %s: %s rows, %s differences', v_comparison.id,
                               v_comparison.source_rows, v_comparison.missing + v_comparison.extra
                                                         + v_comparison.changed) END;
    hint := format('pgtandem verify %1$s; if rows differ: pgtandem repair %1$s, and verify again',
                   p_mapping);
    RETURN NEXT;

    name := 'comparison_recent';
    met := coalesce(v_comparison.started_at > clock_timestamp() - v_max_age, false);
    figure := CASE WHEN v_comparison.id IS NULL THEN 'none'
                   ELSE format('%s old, limit %s', date_trunc('second', clock_timestamp()
                                                   - v_comparison.started_at), v_max_age) END;
    hint := format('pgtandem verify %s', p_mapping);
    RETURN NEXT;

    name := 'queue_empty';
    met := v_queued = 0;
    figure := format('%s entries, %s of them failures', v_queued, v_failed);
    hint := format('pgtandem drain %s; see pgtandem.failures', p_mapping);
    RETURN NEXT;

    SELECT string_agg(format('%s (pid %s, %s)', a.usename, a.pid,
                             coalesce(nullif(a.application_name, ''), 'no name')), ', ')
    INTO v_found
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database()
      -- Members too, as applications log in with roles of their own; but not superusers, who are
      -- members of all, nor who deploys and may be one to own the table.
      AND EXISTS (
          SELECT FROM pg_roles AS r
          WHERE r.rolname IN (SELECT jsonb_array_elements_text(
                                  coalesce(v_mapping.settings #> '{contract,old_roles}', '[]')))
            AND (a.usename = r.rolname
                 OR a.usename <> session_user AND pg_has_role(a.usesysid, r.oid, 'MEMBER')
                    AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = a.usesysid))
      );
    name := 'no_old_sessions';
    met := v_found IS NULL;
    figure := coalesce(v_found, 'none');
    hint := 'Let the readers of the old side disconnect, or point them to the new one.';
    RETURN NEXT;

    IF v_by_columns THEN
        -- The table stays and is read; PostgreSQL does not count who reads which of its columns.
        name := 'no_readers';
        SELECT string_agg(r, ', ' ORDER BY r) INTO v_found
        FROM pgtandem._column_readers(p_mapping) AS r;
        figure := coalesce(v_found, 'none');
        hint := 'Let them read the new table. If only their text names the columns: '
                || format('pgtandem override %s no_readers --reason "..."', p_mapping);
        met := v_found IS NULL;
        RETURN NEXT;
        SELECT string_agg(d.what, ', ' ORDER BY d.what), string_agg(d.cure, E'\n' ORDER BY d.what)
        INTO v_found, hint FROM pgtandem._column_dependents(p_mapping) AS d;
    ELSE
        name := 'old_side_unread';
        v_reads := pgtandem.reads_of(v_mapping.source) - v_comparison.source_reads;
        met := coalesce(v_reads <= v_max_reads, false);
        figure := CASE WHEN v_comparison.id IS NULL THEN 'none'
                       ELSE format('%s scans since comparison %s, limit %s', greatest(v_reads, 0),
                                   v_comparison.id, v_max_reads) END;
        hint := format(CASE
            WHEN v_comparison.id IS NULL THEN 'pgtandem verify %s'
            ELSE 'pgtandem verify %1$s counts anew, as after a backfill. If somebody still reads '
                 'the old table, and the view in its place will do for them: '
                 'pgtandem override %1$s old_side_unread --reason "..."' END, p_mapping);
        RETURN NEXT;
        SELECT string_agg(d, ', ') INTO v_found FROM pgtandem._dependents(v_mapping.source) AS d;
        hint := 'They would follow the old table into the archive: point them to the new one '
                'first.';
    END IF;
    name := 'no_dependents';
    met := v_found IS NULL;
    figure := coalesce(v_found, 'none');
    hint := coalesce(hint, 'Nothing hangs on the columns.');
    RETURN NEXT;

    SELECT string_agg(c, ', ') INTO v_found
    FROM pgtandem._cascades(v_mapping.source, v_mapping.target,
                            CASE WHEN v_by_columns THEN ARRAY(SELECT jsonb_array_elements_text(
                                v_mapping.settings #> '{contract,columns}')) END) AS c;
    name := 'cascades';
    met := v_found IS NULL;
    figure := coalesce(v_found, 'none');
    hint := format('Add foreign keys to the same tables, which do the same, to %s: what they do '
                   'is no longer synced.', v_mapping.target);
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION pgtandem.contract_conditions(text) IS
    'What has to be proven before contract, whether it is, the figure, and what to do. Rule 7 of '
    'the design: gated on data, not on status.';

CREATE FUNCTION pgtandem.require_proven(p_mapping text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_unmet   text;
    v_hints   text;
BEGIN
    PERFORM pgtandem.require_all_rows(v_mapping.source);
    PERFORM pgtandem.require_all_rows(v_mapping.target);
    SELECT string_agg(h.unmet, '; ' ORDER BY h.n), string_agg(h.hint, ' | ' ORDER BY h.n)
    INTO v_unmet, v_hints
    FROM (SELECT c.hint, min(c.n) AS n,
                 string_agg(format('%s (%s)', c.name, c.figure), '; ' ORDER BY c.n) AS unmet
          FROM pgtandem.contract_conditions(p_mapping)
               WITH ORDINALITY AS c (name, met, figure, hint, n)
          WHERE NOT c.met
            AND NOT EXISTS (SELECT FROM pgtandem.event AS e
                            WHERE e.mapping = p_mapping AND e.kind = 'override'
                              AND e.detail ->> 'condition' = c.name
                              AND e.happened_at > clock_timestamp() - interval '1 hour')
          GROUP BY c.hint) AS h;
    IF v_unmet IS NOT NULL THEN
        RAISE EXCEPTION 'contract of mapping "%" is refused: it is not proven', p_mapping
            USING ERRCODE = 'TD020', DETAIL = format('Not met: %s.', v_unmet), HINT = v_hints;
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_proven(text) IS
    'Raises TD020 unless every condition of contract is met, or overridden by name; TD002 where '
    'row level security hides rows. Locks nothing: what is refused disturbs nobody.';

CREATE FUNCTION pgtandem.require_contract(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pgtandem.require_proven(p_mapping);
    PERFORM pgtandem.log_event(p_mapping, 'contract', (
        SELECT jsonb_object_agg(c.name, c.figure)
        FROM pgtandem.contract_conditions(p_mapping) AS c));
END;
$$;
COMMENT ON FUNCTION pgtandem.require_contract(text) IS
    'As require_proven, under the locks of contract, and notes what was proven. TD020, TD002.';

CREATE FUNCTION pgtandem.require_columns(p_table regclass, p_columns text[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_unknown text := (SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
                       WHERE attrelid = p_table AND attnum > 0 AND NOT attisdropped
                         AND attname <> ALL (p_columns));
BEGIN
    IF v_unknown IS NOT NULL THEN
        RAISE EXCEPTION 'the mapping does not know all columns of %', p_table
            USING ERRCODE = 'TD022',
                  DETAIL = format('Not listed: %s. The view in its place would lack them.',
                                  v_unknown),
                  HINT = 'List them under source.columns of the mapping, and render again.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_columns(regclass, text[]) IS
    'Raises TD022 where a table has a column that is not in the list.';

CREATE FUNCTION pgtandem._carry_back_batch(
    p_mapping    text,
    p_limit      integer,
    OUT more     boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_deadline   timestamptz := clock_timestamp() + interval '0.2 seconds';
    v_taken      integer := 0;
    v_by_columns boolean := (pgtandem.mapping_of(p_mapping)).settings #> '{contract,columns,0}'
                            IS NOT NULL;
    v_entry      record;
    v_sqlstate   text;
    v_message    text;
BEGIN
    IF p_limit IS NOT NULL THEN
        -- Applications are at work: ours gives way, and what gave way is carried under the lock.
        PERFORM set_config('lock_timeout', '100ms', true);
    END IF;
    more := false;
    FOR v_entry IN
        SELECT q.key, array_agg(q.id) AS ids,
               (SELECT l.reason FROM pgtandem.recheck AS l
                WHERE l.mapping = p_mapping AND l.key = q.key
                  AND l.reason IN ('inserted', 'renamed', 'deleted')
                ORDER BY l.id DESC LIMIT 1) AS last
        FROM (SELECT r.id, r.key, r.reason FROM pgtandem.recheck AS r
              WHERE r.mapping = p_mapping AND r.side = 'source' AND r.attempts = 0
              ORDER BY r.id LIMIT p_limit
              FOR UPDATE SKIP LOCKED) AS q
        GROUP BY q.key
        ORDER BY q.key
    LOOP
        BEGIN
            -- What is written from here on queues the key again.
            DELETE FROM pgtandem.recheck WHERE id = ANY (v_entry.ids);
            IF v_by_columns THEN
                EXECUTE format('SELECT %I.settle_source($1, $2, $3)', 'pgtandem_' || p_mapping)
                USING v_entry.key, v_entry.last, p_limit IS NULL;
            ELSE
                EXECUTE format('SELECT %I.settle_source($1)', 'pgtandem_' || p_mapping)
                USING v_entry.key;
            END IF;
        EXCEPTION
            WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
                UPDATE pgtandem.recheck
                SET attempts = attempts + 1, sqlstate = v_sqlstate, message = v_message
                WHERE id = ANY (v_entry.ids);
        END;
        v_taken := v_taken + cardinality(v_entry.ids);
        IF p_limit IS NOT NULL AND clock_timestamp() > v_deadline THEN
            more := true;
            RETURN;
        END IF;
    END LOOP;
    more := v_taken = p_limit;
END;
$$;
COMMENT ON FUNCTION pgtandem._carry_back_batch(text, integer) IS
    'Makes the archive equal to the target for up to p_limit noted entries, for 0.2 seconds; NULL: '
    'for all. more: there may be others. A key that fails or is locked keeps its entry.';

CREATE FUNCTION pgtandem.carry_back_rest(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_bad record;
BEGIN
    UPDATE pgtandem.recheck SET attempts = 0 WHERE mapping = p_mapping AND side = 'source';
    PERFORM pgtandem._carry_back_batch(p_mapping, NULL);
    SELECT count(*) OVER () AS keys, q.* INTO v_bad
    FROM (SELECT DISTINCT ON (key) key, sqlstate AS state, message FROM pgtandem.recheck
          WHERE mapping = p_mapping AND side = 'source'
          ORDER BY key, id DESC) AS q
    ORDER BY q.key LIMIT 1;
    IF v_bad.keys > 0 THEN
        RAISE EXCEPTION '% rows written since contract cannot be carried back', v_bad.keys
            USING ERRCODE = 'TD023',
                  DETAIL = format('For example %s: %s (%s).', v_bad.key, v_bad.message,
                                  v_bad.state),
                  HINT = 'Nothing was reverted. Change these rows so that the old table can hold '
                         'them, then revert again.';
    END IF;
    PERFORM pgtandem.log_event(p_mapping, 'carry_back');
END;
$$;
COMMENT ON FUNCTION pgtandem.carry_back_rest(text) IS
    'Under the locks of the revert: carries back every key that is left. TD023 where one cannot '
    'be.';

CREATE FUNCTION pgtandem._carry_back_reset(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (pgtandem.mapping_of(p_mapping)).phase <> 'contract' THEN
        RAISE EXCEPTION 'mapping "%" is not contracted', p_mapping USING ERRCODE = 'TD006',
            HINT = 'There is nothing to carry back.';
    END IF;
    UPDATE pgtandem.recheck SET attempts = 0
    WHERE mapping = p_mapping AND side = 'source' AND attempts > 0;
END;
$$;
COMMENT ON FUNCTION pgtandem._carry_back_reset(text) IS 'Lets a carry-back try each key again.';

-- No SET search_path: PostgreSQL refuses it for a procedure that commits. All names are qualified.
CREATE PROCEDURE pgtandem.carry_back(p_mapping text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_batch record;
BEGIN
    PERFORM pgtandem._carry_back_reset(p_mapping);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SELECT * INTO v_batch FROM pgtandem._carry_back_batch(p_mapping, 500);
        -- The last few, and those that fail, are for carry_back_rest, under the lock.
        EXIT WHEN NOT v_batch.more;
    END LOOP;
END;
$$;
COMMENT ON PROCEDURE pgtandem.carry_back(text) IS
    'Carries what was written since contract back to the archived source, while writers go on. The '
    'first step of the revert; may be repeated at will.';

COMMIT;
