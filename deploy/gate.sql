-- Deploy pgtandem:gate to pg
-- requires: comparison
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.sample') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.sample (
    mapping       text NOT NULL REFERENCES pgtandem.mapping ON DELETE CASCADE,
    taken_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    source_writes bigint NOT NULL,
    PRIMARY KEY (mapping, taken_at)
);
COMMENT ON TABLE pgtandem.sample IS 'Counters at a time, to tell what happened in the last hour.';
COMMENT ON COLUMN pgtandem.sample.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.sample.taken_at IS 'When the counter was read.';
COMMENT ON COLUMN pgtandem.sample.source_writes IS
    'Rows inserted, updated and deleted in the source, from pg_stat_all_tables.';

CREATE FUNCTION pgtandem.take_sample(p_mapping text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_writes bigint;
BEGIN
    SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) INTO v_writes
    FROM pg_stat_all_tables
    WHERE relid IN (SELECT l::oid
                    FROM pgtandem._leaves((pgtandem.mapping_of(p_mapping)).source) AS l);
    DELETE FROM pgtandem.sample
    WHERE mapping = p_mapping AND taken_at < clock_timestamp() - interval '7 days';
    INSERT INTO pgtandem.sample (mapping, source_writes) VALUES (p_mapping, v_writes);
    RETURN v_writes;
END;
$$;
COMMENT ON FUNCTION pgtandem.take_sample(text) IS
    'Stores the number of writes of the source until now, and returns it.';

CREATE FUNCTION pgtandem._figures(p_mapping text, p_writes bigint)
RETURNS TABLE (name text, figure numeric, unit text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_since      timestamptz := clock_timestamp() - interval '1 hour';
    v_before     pgtandem.sample;
    v_writes     bigint;
    v_failures   bigint;
    v_comparison pgtandem.comparison;
BEGIN
    -- The last sample before the hour, else the first one there is.
    SELECT * INTO v_before FROM pgtandem.sample AS s
    WHERE s.mapping = p_mapping
    ORDER BY s.taken_at > v_since,
             CASE WHEN s.taken_at > v_since THEN s.taken_at - v_since ELSE v_since - s.taken_at END
    LIMIT 1;
    -- A sample that is older than the hour is scaled down to it.
    v_writes := (p_writes - v_before.source_writes)
                * least(1, 3600 / nullif(extract(epoch FROM clock_timestamp()
                                                 - v_before.taken_at), 0));
    SELECT count(*) INTO v_failures FROM pgtandem.sync_failure AS f
    WHERE f.mapping = p_mapping
      AND f.reason = 'sync'
      AND f.failed_at > greatest(v_since, v_before.taken_at);
    name := 'sync_failure_percent';
    unit := '%';
    figure := CASE WHEN v_failures = 0 THEN 0
                   ELSE round(100.0 * v_failures / greatest(v_writes, v_failures), 3) END;
    detail := format('%s of about %s writes since %s', v_failures, greatest(v_writes, v_failures),
                     to_char(greatest(v_since, v_before.taken_at), 'HH24:MI:SS'));
    RETURN NEXT;

    SELECT * INTO v_comparison FROM pgtandem.comparison AS c
    WHERE c.mapping = p_mapping ORDER BY c.id DESC LIMIT 1;
    name := 'differences_per_hour';
    unit := 'rows';
    -- What was compared before the copy was complete says nothing about the sync.
    SELECT max(c.missing + c.extra + c.changed) INTO figure FROM pgtandem.comparison AS c
    WHERE c.mapping = p_mapping
      AND c.started_at > greatest(v_since, (pgtandem.mapping_of(p_mapping)).copy_changed);
    detail := coalesce('worst comparison of the last hour; the last ended '
                       || to_char(v_comparison.finished_at, 'HH24:MI:SS'), 'no comparison yet');
    RETURN NEXT;

    name := 'consistency_percent';
    unit := '%';
    figure := floor(100000.0 * greatest(0, 1 - (v_comparison.missing + v_comparison.extra
                                                + v_comparison.changed)::numeric
                    / greatest(v_comparison.source_rows, v_comparison.target_rows, 1))) / 1000;
    detail := CASE WHEN v_comparison.id IS NULL THEN 'no comparison yet'
        ELSE format('comparison %s (%s): %s rows, %s differences', v_comparison.id,
        v_comparison.scope, greatest(v_comparison.source_rows, v_comparison.target_rows),
        v_comparison.missing + v_comparison.extra + v_comparison.changed) END;
    IF v_comparison.id IS NULL THEN
        figure := NULL;
    END IF;
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION pgtandem._figures(text, bigint) IS
    'What the database itself can tell a gate: figure NULL where it cannot tell yet.';

CREATE FUNCTION pgtandem._sequences(p_table regclass)
RETURNS TABLE (column_name name, sequence regclass, next_value bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.attname, s.seqrelid::regclass,
           coalesce(pg_sequence_last_value(s.seqrelid) + s.seqincrement, s.seqstart)
    FROM pg_attribute AS a
    LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    JOIN pg_depend AS d ON (d.classid, d.objid, d.refclassid)
                           = ('pg_attrdef'::regclass, f.oid, 'pg_class'::regclass)
                           OR (d.refclassid, d.refobjid, d.refobjsubid, d.classid, d.deptype)
                              = ('pg_class'::regclass, a.attrelid, a.attnum, 'pg_class'::regclass,
                                 'i')
    JOIN pg_sequence AS s ON s.seqrelid IN (d.objid, d.refobjid)
    WHERE a.attrelid = p_table AND a.attnum > 0 AND s.seqincrement > 0;
$$;
COMMENT ON FUNCTION pgtandem._sequences(regclass) IS
    'The sequences from which columns of a table get their values by default (as serial, as '
    'identity, by nextval), and the next value of each.';

CREATE FUNCTION pgtandem._colliding(p_mapping text)
RETURNS TABLE (figure numeric, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping  pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_own      record;
    v_highest  bigint;
BEGIN
    FOR v_own IN
        SELECT q.* FROM pgtandem._sequences(v_mapping.target) AS q
        JOIN pg_attribute AS a ON a.attrelid = v_mapping.target AND a.attname = q.column_name
        WHERE q.column_name = ANY (v_mapping.key)
          AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
          AND q.sequence NOT IN (SELECT s.sequence FROM pgtandem._sequences(v_mapping.source) AS s)
    LOOP
        EXECUTE format('SELECT max(%I) FROM %s', v_own.column_name, v_mapping.target)
        INTO v_highest;
        figure := greatest(0, v_highest - v_own.next_value + 1);
        detail := format('%s.%s: %s gives %s next, ids up to %s are taken', v_mapping.target,
                         v_own.column_name, v_own.sequence, v_own.next_value, v_highest);
        RETURN NEXT;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._colliding(text) IS
    'For each key column of the target with a sequence that the source does not draw from: how '
    'many of the next values are, or may be, in use. The new application would collide with them.';

CREATE FUNCTION pgtandem.gate(p_mapping text, p_signals jsonb DEFAULT '{}')
RETURNS TABLE (name text, verdict text, figure numeric, unit text, threshold text, detail text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_gate    jsonb := coalesce((pgtandem.mapping_of(p_mapping)).settings -> 'gate', '{}');
    v_writes  bigint := pgtandem.take_sample(p_mapping);
    v_unknown text := (SELECT string_agg(k, ', ') FROM jsonb_object_keys(p_signals) AS k
                       WHERE NOT coalesce(v_gate -> 'signals', '{}') ? k);
BEGIN
    IF v_unknown IS NOT NULL THEN
        RAISE EXCEPTION 'the mapping "%" has no threshold for the signal %', p_mapping, v_unknown
            USING ERRCODE = 'TD024',
                  HINT = format('It knows: %s. Thresholds are gate.signals of the mapping.',
                      coalesce((SELECT string_agg(k, ', ')
                                FROM jsonb_object_keys(coalesce(v_gate -> 'signals', '{}')) AS k),
                               'none'));
    END IF;
    RETURN QUERY
    SELECT f.name,
           CASE WHEN f.given AND f.figure IS NULL THEN 'hold'
                WHEN f.figure IS NULL OR f.t = '{}' THEN 'not judged'
                WHEN f.figure > (f.t ->> 'roll_back')::numeric
                     OR f.figure < (f.t ->> 'roll_back_below')::numeric THEN 'roll back'
                WHEN f.figure > (f.t ->> 'hold')::numeric
                     OR f.figure < (f.t ->> 'hold_below')::numeric THEN 'hold'
                ELSE 'go on' END,
           trim_scale(f.figure),
           f.unit,
           concat_ws(', ', 'hold over ' || trim_scale((f.t ->> 'hold')::numeric),
                     'roll back over ' || trim_scale((f.t ->> 'roll_back')::numeric),
                     'hold under ' || trim_scale((f.t ->> 'hold_below')::numeric),
                     'roll back under ' || trim_scale((f.t ->> 'roll_back_below')::numeric)),
           f.detail
    FROM (SELECT g.name, g.figure, g.unit, g.detail, coalesce(v_gate -> g.name, '{}') AS t,
                 coalesce(v_gate -> g.name, '{}') <> '{}' AS given
          FROM pgtandem._figures(p_mapping, v_writes) AS g
          UNION ALL
          SELECT s.key, (p_signals ->> s.key)::numeric, '',
                 CASE WHEN p_signals ? s.key THEN 'given by the caller' ELSE 'not given' END,
                 s.value, false
          FROM jsonb_each(coalesce(v_gate -> 'signals', '{}')) AS s
          UNION ALL
          SELECT 'sequence_behind', c.figure, 'values', c.detail, '{"hold": 0}', true
          FROM pgtandem._colliding(p_mapping) AS c) AS f;
END;
$$;
COMMENT ON FUNCTION pgtandem.gate(text, jsonb) IS
    'Each figure beside its threshold, and what follows: go on, hold or roll back. A figure of '
    'the database that is not known yet says hold; a figure without a threshold and a signal that '
    'was not given are not judged. A sequence of the target that would give taken keys says hold. '
    'p_signals: {"name": number}. TD024 for a signal without a threshold.';

COMMIT;
