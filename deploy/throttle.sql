-- Deploy pgtandem:throttle to pg
-- requires: mapping
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._setting(jsonb, text, text, text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._setting(p_settings jsonb, p_section text, p_name text, p_default text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(p_settings -> p_section ->> p_name, p_default);
$$;
COMMENT ON FUNCTION pgtandem._setting(jsonb, text, text, text) IS
    'One setting of a mapping as text, or its default.';

CREATE FUNCTION pgtandem._is_large(p_table regclass) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- As of the last ANALYZE; without any by its size, at about 80 rows a block.
    SELECT coalesce(sum(CASE WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples
                             WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / 100 ELSE 0 END),
                    0) > 1000000
    FROM pg_class AS c
    WHERE c.oid IN (SELECT p_table UNION
                    SELECT t.relid FROM pg_partition_tree(p_table) AS t WHERE t.isleaf)
      AND c.relkind = 'r';
$$;
COMMENT ON FUNCTION pgtandem._is_large(regclass) IS
    'Whether a table has more than a million rows, about.';

CREATE VIEW pgtandem.wal_status AS
SELECT 'standby' AS kind,
       coalesce(r.application_name, '') AS name,
       max(pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn)) AS bytes
FROM pg_stat_replication AS r
WHERE r.replay_lsn IS NOT NULL AND NOT pg_is_in_recovery()
GROUP BY coalesce(r.application_name, '')
UNION ALL
SELECT 'slot', s.slot_name, pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)
FROM pg_replication_slots AS s
WHERE s.restart_lsn IS NOT NULL AND NOT pg_is_in_recovery();
COMMENT ON VIEW pgtandem.wal_status IS
    'How far each standby is behind, and what each replication slot retains: what a backfill waits '
    'for. Standbys are only seen with pg_read_all_stats, as pg_monitor has it.';
COMMENT ON COLUMN pgtandem.wal_status.kind IS 'standby or slot.';
COMMENT ON COLUMN pgtandem.wal_status.name IS
    'application_name of the standby (the slowest, if several have it), or name of the slot.';
COMMENT ON COLUMN pgtandem.wal_status.bytes IS 'WAL still to replay, or retained.';

CREATE FUNCTION pgtandem._throttle(
    p_mapping   pgtandem.mapping,
    p_seconds   double precision,
    p_wal_bytes numeric,
    OUT reason  text,
    OUT seconds double precision
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_lag     numeric := pg_size_bytes(pgtandem._setting(
                             p_mapping.settings, 'backfill', 'max_lag', '64MB'));
    v_slot    numeric := pg_size_bytes(pgtandem._setting(
                             p_mapping.settings, 'backfill', 'max_slot', '4GB'));
    v_wal     numeric := pg_size_bytes(pgtandem._setting(
                             p_mapping.settings, 'backfill', 'max_wal_rate', NULL));
    v_pause   double precision := extract(epoch FROM
                     pgtandem._setting(p_mapping.settings, 'backfill', 'pause', NULL)::interval);
    v_figure  numeric;
    v_who     text;
BEGIN
    reason := NULL;
    seconds := 0;
    IF p_mapping.paused_by IS NOT NULL THEN
        reason := format('paused by %s', p_mapping.paused_by);
        seconds := 0.5;
        RETURN;
    END IF;
    IF pg_is_in_recovery() THEN
        RETURN;
    END IF;
    -- Lag: wait a chunk's time for each limit it is over, at most 2 seconds before looking again.
    SELECT bytes, name INTO v_figure, v_who FROM pgtandem.wal_status
    WHERE kind = 'standby' ORDER BY bytes DESC LIMIT 1;
    IF v_figure > v_lag THEN
        reason := format('replication lag of %s: %s, limit %s', v_who,
                         pg_size_pretty(v_figure), pg_size_pretty(v_lag));
        seconds := least(p_seconds * v_figure / v_lag, 2);
        RETURN;
    END IF;
    SELECT bytes, name INTO v_figure, v_who FROM pgtandem.wal_status
    WHERE kind = 'slot' ORDER BY bytes DESC LIMIT 1;
    IF v_figure > v_slot THEN
        reason := format('slot %s retains %s of WAL, limit %s', v_who,
                         pg_size_pretty(v_figure), pg_size_pretty(v_slot));
        seconds := least(p_seconds * v_figure / v_slot, 2);
        RETURN;
    END IF;
    IF v_wal IS NOT NULL AND p_wal_bytes > v_wal * p_seconds THEN
        reason := format('WAL rate %s/s, limit %s/s',
                         pg_size_pretty((p_wal_bytes / p_seconds::numeric)), pg_size_pretty(v_wal));
        seconds := p_wal_bytes / v_wal - p_seconds;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_stat_progress_vacuum
               WHERE datname = current_database()
                 AND relid = ANY (ARRAY[p_mapping.source, p_mapping.target]::oid[])) THEN
        reason := 'a vacuum of one of the tables';
        seconds := p_seconds;
        RETURN;
    END IF;
    IF v_pause IS NULL AND pgtandem._is_large(p_mapping.source) THEN
        v_pause := p_seconds / 10;
    END IF;
    IF v_pause > 0 THEN
        reason := 'the pause between chunks';
        seconds := v_pause;
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._throttle(pgtandem.mapping, double precision, numeric) IS
    'Why a worker should wait after a chunk that took p_seconds and p_wal_bytes, and how long in '
    'seconds; reason NULL: it should not. Limits: backfill.max_lag, max_slot, max_wal_rate, pause. '
    'Figures of other sessions need the role pg_monitor, and count as fine without it.';

COMMIT;
