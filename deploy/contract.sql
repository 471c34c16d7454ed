-- Deploy pgtandem:contract to pg
-- requires: comparison
-- requires: backfill
-- requires: require
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

CREATE FUNCTION pgtandem._dependents(p_table regclass) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT DISTINCT format('view %s', r.ev_class::regclass)
    FROM pg_depend AS d
    JOIN pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_class AS c ON c.oid = r.ev_class
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = p_table
      AND r.ev_class <> p_table
      AND c.relnamespace <> ALL (ARRAY(SELECT oid FROM pg_namespace
                                       WHERE nspname LIKE 'pgtandem\_%'))
    UNION
    SELECT format('foreign key %I of %s', conname, conrelid::regclass)
    FROM pg_constraint
    WHERE confrelid = p_table AND contype = 'f' AND conrelid <> p_table AND conparentid = 0
    UNION
    SELECT format('publication %I', p.pubname)
    FROM pg_publication_rel AS r
    JOIN pg_publication AS p ON p.oid = r.prpubid
    WHERE r.prrelid = p_table
    UNION
    SELECT format('row security policy %I', polname) FROM pg_policy WHERE polrelid = p_table;
$$;
COMMENT ON FUNCTION pgtandem._dependents(regclass) IS
    'What still hangs on a table and would follow it into the archive.';

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
BEGIN
    name := 'copy_complete';
    met := v_mapping.copy_state = 'complete' AND v_mapping.phase = 'backfill';
    figure := format('copy %s, phase %s', v_mapping.copy_state, v_mapping.phase);
    hint := format('sqitch deploy --to %s_backfill', p_mapping);
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

    SELECT count(*), count(*) FILTER (WHERE r.sqlstate IS NOT NULL) INTO v_queued, v_failed
    FROM pgtandem.recheck AS r WHERE r.mapping = p_mapping AND r.side = 'target';
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
      AND a.usename IN (SELECT jsonb_array_elements_text(
                            coalesce(v_mapping.settings #> '{contract,old_roles}', '[]')));
    name := 'no_old_sessions';
    met := v_found IS NULL;
    figure := coalesce(v_found, 'none');
    hint := 'Let the readers of the old side disconnect, or point them to the new one.';
    RETURN NEXT;

    name := 'old_side_unread';
    v_reads := pgtandem.reads_of(v_mapping.source) - v_comparison.source_reads;
    met := coalesce(v_reads <= v_max_reads, false);
    figure := CASE WHEN v_comparison.id IS NULL THEN 'none'
                   ELSE format('%s scans since comparison %s, limit %s', greatest(v_reads, 0),
                               v_comparison.id, v_max_reads) END;
    hint := 'Somebody still reads the old table. If the view in its place will do for them: '
            || format('pgtandem override %s old_side_unread --reason "..."', p_mapping);
    RETURN NEXT;

    SELECT string_agg(d, ', ') INTO v_found FROM pgtandem._dependents(v_mapping.source) AS d;
    name := 'no_dependents';
    met := v_found IS NULL;
    figure := coalesce(v_found, 'none');
    hint := 'They would follow the old table into the archive: point them to the new one first.';
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION pgtandem.contract_conditions(text) IS
    'What has to be proven before contract, whether it is, the figure, and what to do. Rule 7 of '
    'the design: gated on data, not on status.';

CREATE FUNCTION pgtandem.require_contract(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_unmet  text;
    v_hints  text;
BEGIN
    SELECT string_agg(format('%s (%s)', c.name, c.figure), '; '), string_agg(c.hint, ' | ')
    INTO v_unmet, v_hints
    FROM pgtandem.contract_conditions(p_mapping) AS c
    WHERE NOT c.met
      AND NOT EXISTS (SELECT FROM pgtandem.event AS e
                      WHERE e.mapping = p_mapping AND e.kind = 'override'
                        AND e.detail ->> 'condition' = c.name
                        AND e.happened_at > clock_timestamp() - interval '1 hour');
    IF v_unmet IS NOT NULL THEN
        RAISE EXCEPTION 'contract of mapping "%" is refused: it is not proven', p_mapping
            USING ERRCODE = 'TD020', DETAIL = format('Not met: %s.', v_unmet), HINT = v_hints;
    END IF;
    PERFORM pgtandem.log_event(p_mapping, 'contract', (
        SELECT jsonb_object_agg(c.name, c.figure)
        FROM pgtandem.contract_conditions(p_mapping) AS c));
END;
$$;
COMMENT ON FUNCTION pgtandem.require_contract(text) IS
    'Raises TD020 unless every condition of contract is met, or overridden by name.';

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

CREATE FUNCTION pgtandem.dress_view(p_table regclass, p_view regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_owner regrole := (SELECT relowner FROM pg_class WHERE oid = p_table);
    v_item  record;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s comes from the catalogs: expressions, privileges, quoted names.
    FOR v_item IN
        SELECT a.attname, coalesce(
                   pg_get_expr(d.adbin, d.adrelid),
                   format('nextval(%L)', pg_get_serial_sequence(p_table::text, a.attname))) AS value
        FROM pg_attribute AS a
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
          AND (d.adbin IS NOT NULL OR a.attidentity <> '')
    LOOP
        EXECUTE format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', p_view, v_item.attname,
                       v_item.value);
    END LOOP;
    FOR v_item IN
        SELECT x.privilege_type, x.is_grantable,
               CASE x.grantee WHEN 0 THEN 'PUBLIC'
                              ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS grantee
        FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS x
        WHERE c.oid = p_table AND x.grantee <> c.relowner
          AND x.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s%s', v_item.privilege_type, p_view, v_item.grantee,
                       CASE WHEN v_item.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
    FOR v_item IN
        SELECT x.privilege_type, a.attname,
               CASE x.grantee WHEN 0 THEN 'PUBLIC'
                              ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS grantee
        FROM pg_attribute AS a
        CROSS JOIN LATERAL aclexplode(a.attacl) AS x
        WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped
          AND x.privilege_type IN ('SELECT', 'INSERT', 'UPDATE')
    LOOP
        EXECUTE format('GRANT %s (%I) ON %s TO %s', v_item.privilege_type, v_item.attname, p_view,
                       v_item.grantee);
    END LOOP;
    IF v_owner <> (SELECT relowner FROM pg_class WHERE oid = p_view) THEN
        -- The old application may own its table; foreign keys of it look there as its owner.
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s', p_view, v_owner);
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s',
                       (SELECT relnamespace::regnamespace FROM pg_class WHERE oid = p_table),
                       v_owner);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.dress_view(regclass, regclass) IS
    'Gives a view the column defaults and grants of the table that it stands for.';

CREATE FUNCTION pgtandem._carry_back_batch(
    p_mapping    text,
    p_limit      integer,
    OUT more     boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_deadline timestamptz := clock_timestamp() + interval '0.2 seconds';
    v_taken    integer := 0;
    v_entry    record;
    v_sqlstate text;
    v_message  text;
BEGIN
    IF p_limit IS NOT NULL THEN
        -- Applications are at work: ours gives way, and what gave way is carried under the lock.
        PERFORM set_config('lock_timeout', '100ms', true);
    END IF;
    more := false;
    FOR v_entry IN
        SELECT q.key, array_agg(q.id) AS ids
        FROM (SELECT r.id, r.key FROM pgtandem.recheck AS r
              WHERE r.mapping = p_mapping AND r.side = 'source' AND r.attempts = 0
              ORDER BY r.id LIMIT p_limit
              FOR UPDATE SKIP LOCKED) AS q
        GROUP BY q.key
        ORDER BY q.key
    LOOP
        BEGIN
            -- What is written from here on queues the key again.
            DELETE FROM pgtandem.recheck WHERE id = ANY (v_entry.ids);
            EXECUTE format('SELECT %I.settle_source($1)', 'pgtandem_' || p_mapping)
            USING v_entry.key;
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
    SELECT count(DISTINCT key) AS keys, min(key::text) AS key, min(sqlstate) AS state,
           min(message) AS message
    INTO v_bad
    FROM pgtandem.recheck WHERE mapping = p_mapping AND side = 'source';
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
