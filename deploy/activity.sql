-- Deploy pgtandem:activity to pg
-- requires: index
-- requires: chunk
-- requires: worker
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.slow_statements') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE VIEW pgtandem.table_activity AS
SELECT m.name AS mapping,
       side.side,
       side.relation::text AS relation,
       sum(s.n_live_tup)::bigint AS live_rows,
       sum(s.n_tup_ins)::bigint AS inserts,
       sum(s.n_tup_upd)::bigint AS updates,
       sum(s.n_tup_hot_upd)::bigint AS hot_updates,
       sum(s.n_tup_del)::bigint AS deletes,
       sum(s.seq_scan)::bigint AS seq_scans,
       sum(s.idx_scan)::bigint AS index_scans,
       sum(s.n_dead_tup)::bigint AS dead_rows,
       greatest(max(s.last_vacuum), max(s.last_autovacuum)) AS last_vacuum,
       greatest(max(s.last_analyze), max(s.last_autoanalyze)) AS last_analyze,
       sum(pg_total_relation_size(s.relid))::bigint AS bytes
FROM pgtandem.mapping AS m
CROSS JOIN LATERAL (VALUES ('source', m.source), ('target', m.target)) AS side (side, relation)
LEFT JOIN pg_stat_all_tables AS s
  ON s.relid IN (SELECT l FROM pgtandem._leaves(side.relation) AS l)
GROUP BY m.name, side.side, side.relation;
COMMENT ON VIEW pgtandem.table_activity IS
    'What happens to both tables of a mapping, with all their partitions, since the statistics of '
    'the database were last reset (pg_stat_database.stats_reset).';
COMMENT ON COLUMN pgtandem.table_activity.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.table_activity.side IS 'source or target.';
COMMENT ON COLUMN pgtandem.table_activity.relation IS 'The table.';
COMMENT ON COLUMN pgtandem.table_activity.live_rows IS 'Rows, estimated.';
COMMENT ON COLUMN pgtandem.table_activity.inserts IS 'Rows inserted.';
COMMENT ON COLUMN pgtandem.table_activity.updates IS 'Rows updated.';
COMMENT ON COLUMN pgtandem.table_activity.hot_updates IS 'Those that touched no index.';
COMMENT ON COLUMN pgtandem.table_activity.deletes IS 'Rows deleted.';
COMMENT ON COLUMN pgtandem.table_activity.seq_scans IS 'How often the whole table was read.';
COMMENT ON COLUMN pgtandem.table_activity.index_scans IS 'How often an index was.';
COMMENT ON COLUMN pgtandem.table_activity.dead_rows IS 'Rows that wait for VACUUM, estimated.';
COMMENT ON COLUMN pgtandem.table_activity.last_vacuum IS 'When, by hand or by itself.';
COMMENT ON COLUMN pgtandem.table_activity.last_analyze IS 'When, by hand or by itself.';
COMMENT ON COLUMN pgtandem.table_activity.bytes IS 'Size with its indexes and TOAST.';

CREATE VIEW pgtandem.trigger_cost AS
SELECT m.name AS mapping,
       p.proname AS function,
       f.calls,
       round(f.total_time::numeric, 1) AS total_ms,
       round((f.total_time / nullif(f.calls, 0))::numeric, 4) AS mean_ms,
       CASE WHEN f.calls IS NULL AND current_setting('track_functions') = 'none'
            THEN format('ALTER DATABASE %I SET track_functions = ''pl'';',
                        current_database()::text COLLATE "default")
       END AS to_measure
FROM pgtandem.mapping AS m
JOIN pg_namespace AS n ON n.nspname = 'pgtandem_' || m.name
JOIN pg_proc AS p ON p.pronamespace = n.oid AND p.prorettype = 'trigger'::regtype
LEFT JOIN pg_stat_user_functions AS f ON f.funcid = p.oid;
COMMENT ON VIEW pgtandem.trigger_cost IS
    'What the triggers of each mapping cost the writers. PostgreSQL measures it in sessions that '
    'began with track_functions = pl.';
COMMENT ON COLUMN pgtandem.trigger_cost.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.trigger_cost.function IS
    'The trigger function: sync_forward for writes of the source, sync_back for those of the '
    'target.';
COMMENT ON COLUMN pgtandem.trigger_cost.calls IS 'How often it ran; NULL: it was not measured.';
COMMENT ON COLUMN pgtandem.trigger_cost.total_ms IS 'Milliseconds of all calls.';
COMMENT ON COLUMN pgtandem.trigger_cost.mean_ms IS 'Milliseconds of a call.';
COMMENT ON COLUMN pgtandem.trigger_cost.to_measure IS
    'What to type, as a superuser, so that new sessions measure it; NULL: they do.';

CREATE VIEW pgtandem.index_use AS
SELECT t.mapping,
       t.name,
       coalesce(x.indisvalid, false) AS valid,
       pg_relation_size(x.indexrelid) AS bytes,
       s.idx_scan AS scans,
       s.idx_tup_read AS entries_read,
       t.definition,
       t.query
FROM pgtandem.target_index AS t
JOIN pgtandem.mapping AS m ON m.name = t.mapping
LEFT JOIN pg_index AS x
  ON x.indrelid = m.target AND x.indexrelid = pgtandem._index_of(m.target, t.name)
LEFT JOIN pg_stat_all_indexes AS s ON s.indexrelid = x.indexrelid;
COMMENT ON VIEW pgtandem.index_use IS
    'The indexes that mappings have built on their targets: whether they are usable, and used. '
    'Whether one would be used for its query just now: pgtandem.uses_index(query, name).';
COMMENT ON COLUMN pgtandem.index_use.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.index_use.name IS 'Name of the index.';
COMMENT ON COLUMN pgtandem.index_use.valid IS 'False: it is gone, or a build ended early.';
COMMENT ON COLUMN pgtandem.index_use.bytes IS 'Size; NULL: it is gone.';
COMMENT ON COLUMN pgtandem.index_use.scans IS 'How often it was used.';
COMMENT ON COLUMN pgtandem.index_use.entries_read IS 'What these scans returned.';
COMMENT ON COLUMN pgtandem.index_use.definition IS 'From USING on.';
COMMENT ON COLUMN pgtandem.index_use.query IS 'A query of the application that is to use it.';

CREATE VIEW pgtandem.lock_waits AS
SELECT a.pid,
       a.usename AS role,
       a.application_name AS application,
       l.mode,
       l.waitstart AS since,
       o.pids AS blocked_by,
       a.query
FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.datname = current_database()
CROSS JOIN LATERAL (
    SELECT array_agg(b.pid ORDER BY b.pid) AS pids
    FROM unnest(pg_blocking_pids(l.pid)) AS b (pid)
    JOIN pg_stat_activity AS s ON s.pid = b.pid
    WHERE b.pid IN (SELECT w.pid FROM pgtandem.worker_status AS w)
       OR s.application_name = 'pgtandem'
       OR s.query ~ '\mpgtandem\.'
) AS o
WHERE NOT l.granted AND o.pids IS NOT NULL;
COMMENT ON VIEW pgtandem.lock_waits IS
    'The sessions that wait for a lock of pgtandem''s own: of a worker, the command line, or a '
    'session that calls the engine. Those of other roles are only seen with pg_read_all_stats.';
COMMENT ON COLUMN pgtandem.lock_waits.pid IS 'Process id of who waits.';
COMMENT ON COLUMN pgtandem.lock_waits.role IS 'Its role.';
COMMENT ON COLUMN pgtandem.lock_waits.application IS 'Its application_name.';
COMMENT ON COLUMN pgtandem.lock_waits.mode IS 'The lock that it wants.';
COMMENT ON COLUMN pgtandem.lock_waits.since IS 'Since when; NULL in the first moments.';
COMMENT ON COLUMN pgtandem.lock_waits.blocked_by IS 'Process ids of pgtandem''s sessions.';
COMMENT ON COLUMN pgtandem.lock_waits.query IS 'Its statement.';

CREATE VIEW pgtandem.event_status AS
SELECT e.mapping, e.kind, count(*) AS events, max(e.happened_at) AS last_at
FROM pgtandem.event AS e
JOIN pgtandem.mapping AS m ON m.name = e.mapping
GROUP BY e.mapping, e.kind;
COMMENT ON VIEW pgtandem.event_status IS 'How often each kind of event has happened.';
COMMENT ON COLUMN pgtandem.event_status.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.event_status.kind IS 'phase, copy, comparison, repair, override, ...';
COMMENT ON COLUMN pgtandem.event_status.events IS 'How often.';
COMMENT ON COLUMN pgtandem.event_status.last_at IS 'When for the last time.';

CREATE FUNCTION pgtandem._statements(p_tables regclass[])
RETURNS TABLE (calls bigint, mean_ms numeric, total_ms numeric, query text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_schema regnamespace := (SELECT extnamespace FROM pg_extension
                              WHERE extname = 'pg_stat_statements');
    -- @plpgsql_check_options: extra_warnings = off
    -- As words: a name may be a part of another.
    v_names  text := (
        SELECT string_agg('\m' || regexp_replace(relname, '(\W)', '\\\1', 'g') || '\M', '|')
        FROM pg_class WHERE oid = ANY (p_tables));
BEGIN
    IF v_schema IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT calls, round(mean_exec_time::numeric, 3), round(total_exec_time::numeric, 1), '
        'query FROM %s.pg_stat_statements '
        'WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) '
        'AND query ~ $1', v_schema)
    USING v_names;
EXCEPTION
    WHEN object_not_in_prerequisite_state THEN
        RETURN;  -- it is not in shared_preload_libraries
END;
$$;
COMMENT ON FUNCTION pgtandem._statements(regclass[]) IS
    'The statements of pg_stat_statements that mention one of these tables; none where that is not '
    'installed, or not loaded.';

CREATE VIEW pgtandem.slow_statements AS
SELECT m.name AS mapping, s.calls, s.mean_ms, s.total_ms, s.query
FROM pgtandem.mapping AS m
CROSS JOIN LATERAL pgtandem._statements(ARRAY[m.source, m.target]) AS s;
COMMENT ON VIEW pgtandem.slow_statements IS
    'The statements that mention a table of a mapping, from pg_stat_statements, if that is '
    'installed: ORDER BY mean_ms DESC. Those of other roles only for members of '
    'pg_read_all_stats.';
COMMENT ON COLUMN pgtandem.slow_statements.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.slow_statements.calls IS 'How often it ran.';
COMMENT ON COLUMN pgtandem.slow_statements.mean_ms IS 'Milliseconds of an execution.';
COMMENT ON COLUMN pgtandem.slow_statements.total_ms IS 'Milliseconds of all of them.';
COMMENT ON COLUMN pgtandem.slow_statements.query IS 'The statement, without its constants.';

COMMIT;
