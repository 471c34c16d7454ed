-- Deploy pgtandem:gate to pg
-- requires: comparison
-- requires: chunk
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

CREATE FUNCTION pgtandem._writes_of(p_table regclass) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(sum(pg_stat_get_tuples_inserted(l) + pg_stat_get_tuples_updated(l)
                        + pg_stat_get_tuples_deleted(l)), 0)::bigint
    FROM pgtandem._leaves(p_table) AS l;
$$;
COMMENT ON FUNCTION pgtandem._writes_of(regclass) IS
    'Rows inserted, updated and deleted in a table since the statistics were reset.';

CREATE VIEW pgtandem.write_status AS
SELECT m.name AS mapping, side.side, pgtandem._writes_of(side.relation) AS writes
FROM pgtandem.mapping AS m
CROSS JOIN LATERAL (VALUES ('source', m.source), ('target', m.target)) AS side (side, relation);
COMMENT ON VIEW pgtandem.write_status IS
    'How many rows were written on both sides of each mapping. Locks no table, unless it is '
    'partitioned.';
COMMENT ON COLUMN pgtandem.write_status.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.write_status.side IS 'source or target.';
COMMENT ON COLUMN pgtandem.write_status.writes IS
    'Inserts, updates and deletes since the statistics of the database were last reset.';

CREATE FUNCTION pgtandem.take_sample(p_mapping text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_writes bigint := pgtandem._writes_of((pgtandem.mapping_of(p_mapping)).source);
BEGIN
    DELETE FROM pgtandem.sample
    WHERE mapping = p_mapping AND taken_at < clock_timestamp() - interval '7 days';
    INSERT INTO pgtandem.sample (mapping, source_writes) VALUES (p_mapping, v_writes);
    RETURN v_writes;
END;
$$;
COMMENT ON FUNCTION pgtandem.take_sample(text) IS
    'Stores the number of writes of the source until now, and returns it.';

CREATE FUNCTION pgtandem._verdict(p_figure numeric, p_thresholds jsonb, p_is_known boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN p_thresholds = '{}' OR p_figure IS NULL AND NOT p_is_known THEN 'not judged'
        WHEN p_figure IS NULL THEN 'hold'
        WHEN p_figure > (p_thresholds ->> 'roll_back')::numeric
             OR p_figure < (p_thresholds ->> 'roll_back_below')::numeric THEN 'roll back'
        WHEN p_figure > (p_thresholds ->> 'hold')::numeric
             OR p_figure < (p_thresholds ->> 'hold_below')::numeric THEN 'hold'
        ELSE 'go on' END;
$$;
COMMENT ON FUNCTION pgtandem._verdict(numeric, jsonb, boolean) IS
    'What follows from a figure and its thresholds. NULL: hold where the database is to know it '
    '(p_is_known), else it is not judged, as is a figure without thresholds.';

CREATE FUNCTION pgtandem._threshold(p_thresholds jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(', ', 'hold over ' || trim_scale((p_thresholds ->> 'hold')::numeric),
                     'roll back over ' || trim_scale((p_thresholds ->> 'roll_back')::numeric),
                     'hold under ' || trim_scale((p_thresholds ->> 'hold_below')::numeric),
                     'roll back under '
                     || trim_scale((p_thresholds ->> 'roll_back_below')::numeric));
$$;
COMMENT ON FUNCTION pgtandem._threshold(jsonb) IS 'The thresholds of a figure, for people.';

CREATE VIEW pgtandem.gate_status AS
SELECT m.name AS mapping,
       f.name,
       pgtandem._verdict(f.figure, t.thresholds, true) AS verdict,
       trim_scale(f.figure) AS figure,
       f.unit,
       pgtandem._threshold(t.thresholds) AS threshold,
       f.detail
FROM pgtandem.mapping AS m
CROSS JOIN LATERAL (SELECT clock_timestamp() - interval '1 hour' AS since) AS h
-- The last sample before the hour, else the first one there is.
LEFT JOIN LATERAL (
    SELECT s.taken_at, s.source_writes FROM pgtandem.sample AS s
    WHERE s.mapping = m.name
    ORDER BY s.taken_at > h.since,
             CASE WHEN s.taken_at > h.since THEN s.taken_at - h.since ELSE h.since - s.taken_at END
    LIMIT 1
) AS b ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS failed,
           -- A sample that is older than the hour is scaled down to it.
           greatest(count(*), ((pgtandem._writes_of(m.source) - b.source_writes)
               * least(1, 3600 / nullif(extract(epoch FROM clock_timestamp() - b.taken_at),
                                        0)))::bigint) AS writes
    FROM pgtandem.sync_failure AS x
    WHERE x.mapping = m.name AND x.reason = 'sync' AND x.failed_at > greatest(h.since, b.taken_at)
) AS w
LEFT JOIN LATERAL (
    SELECT c.*, c.missing + c.extra + c.changed AS differences,
           greatest(c.source_rows, c.target_rows) AS rows
    FROM pgtandem.comparison AS c WHERE c.mapping = m.name ORDER BY c.id DESC LIMIT 1
) AS l ON true
-- What was compared before the copy was complete says nothing about the sync.
CROSS JOIN LATERAL (
    SELECT max(c.missing + c.extra + c.changed) AS worst FROM pgtandem.comparison AS c
    WHERE c.mapping = m.name AND c.started_at > greatest(h.since, m.copy_changed)
) AS d
CROSS JOIN LATERAL (
    VALUES (
        'sync_failure_percent',
        CASE WHEN b.taken_at IS NULL THEN NULL WHEN w.failed = 0 THEN 0
             ELSE round(100.0 * w.failed / w.writes, 3) END,
        '%',
        CASE WHEN b.taken_at IS NULL THEN 'no sample yet: pgtandem gate takes one'
             ELSE format('%s of about %s writes since %s', w.failed, w.writes,
                         to_char(greatest(h.since, b.taken_at), 'HH24:MI:SS')) END
    ), (
        'differences_per_hour',
        d.worst::numeric,
        'rows',
        coalesce('worst comparison of the last hour; the last ended '
                 || to_char(l.finished_at, 'HH24:MI:SS'), 'no comparison yet')
    ), (
        'consistency_percent',
        CASE WHEN l.id IS NOT NULL THEN
            floor(100000.0 * greatest(0, 1 - l.differences::numeric / greatest(l.rows, 1))) / 1000
        END,
        '%',
        CASE WHEN l.id IS NULL THEN 'no comparison yet'
             ELSE format('comparison %s (%s): %s rows, %s differences', l.id, l.scope, l.rows,
                         l.differences) END
    )
) AS f (name, figure, unit, detail)
CROSS JOIN LATERAL (
    SELECT coalesce(m.settings -> 'gate' -> f.name, '{}') AS thresholds
) AS t;
COMMENT ON VIEW pgtandem.gate_status IS
    'What the database itself can tell a gate, judged by the thresholds of the mapping. Takes no '
    'sample and reads neither table, so that anybody may look at any time.';
COMMENT ON COLUMN pgtandem.gate_status.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.gate_status.name IS
    'sync_failure_percent, differences_per_hour or consistency_percent.';
COMMENT ON COLUMN pgtandem.gate_status.verdict IS 'go on, hold, roll back or not judged.';
COMMENT ON COLUMN pgtandem.gate_status.figure IS 'NULL: not known yet.';
COMMENT ON COLUMN pgtandem.gate_status.unit IS 'Of the figure.';
COMMENT ON COLUMN pgtandem.gate_status.threshold IS 'What the mapping says; empty: nothing.';
COMMENT ON COLUMN pgtandem.gate_status.detail IS 'Where the figure comes from.';

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
    PERFORM pgtandem.take_sample(p_mapping);
    RETURN QUERY
    SELECT g.name, g.verdict, g.figure, g.unit, g.threshold, g.detail
    FROM pgtandem.gate_status AS g
    WHERE g.mapping = p_mapping
    UNION ALL
    SELECT s.key, pgtandem._verdict((p_signals ->> s.key)::numeric, s.value, false),
           trim_scale((p_signals ->> s.key)::numeric), '', pgtandem._threshold(s.value),
           CASE WHEN p_signals ? s.key THEN 'given by the caller' ELSE 'not given' END
    FROM jsonb_each(coalesce(v_gate -> 'signals', '{}')) AS s
    UNION ALL
    SELECT 'sequence_behind', pgtandem._verdict(c.figure, k.thresholds, true), c.figure, 'values',
           pgtandem._threshold(k.thresholds), c.detail
    FROM pgtandem._colliding(p_mapping) AS c
    CROSS JOIN (VALUES ('{"hold": 0}'::jsonb)) AS k (thresholds);
END;
$$;
COMMENT ON FUNCTION pgtandem.gate(text, jsonb) IS
    'Each figure beside its threshold, and what follows: go on, hold or roll back. A figure of '
    'the database that is not known yet says hold; a figure without a threshold and a signal that '
    'was not given are not judged. A sequence of the target that would give taken keys says hold. '
    'p_signals: {"name": number}. TD024 for a signal without a threshold.';

COMMIT;
