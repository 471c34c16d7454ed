-- Deploy pgtandem:worker to pg
-- requires: mapping
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.worker') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

-- Unlogged: after a crash no worker is left either.
CREATE UNLOGGED TABLE pgtandem.worker (
    pid           integer PRIMARY KEY,
    backend_start timestamptz NOT NULL,
    mapping       text NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    waiting_for   text,
    waiting_since timestamptz
);
COMMENT ON TABLE pgtandem.worker IS
    'The sessions that are copying, and what each waits for. A row whose session has ended means '
    'nothing.';
COMMENT ON COLUMN pgtandem.worker.pid IS 'Process id of the backend.';
COMMENT ON COLUMN pgtandem.worker.backend_start IS 'Start of that backend; pids are used again.';
COMMENT ON COLUMN pgtandem.worker.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.worker.started_at IS 'When its backfill was called.';
COMMENT ON COLUMN pgtandem.worker.waiting_for IS 'Why it waits between two chunks; NULL: it works.';
COMMENT ON COLUMN pgtandem.worker.waiting_since IS 'Since when it waits for that.';

CREATE FUNCTION pgtandem._backend_start() RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- date_trunc would do as well: the two differ between sessions of one pid by seconds at least
    SELECT backend_start FROM pg_stat_get_activity(pg_backend_pid());
$$;
COMMENT ON FUNCTION pgtandem._backend_start() IS 'When the calling backend started.';

CREATE FUNCTION pgtandem._worker_start(p_mapping text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM pgtandem.worker AS w
    WHERE NOT EXISTS (SELECT FROM pg_stat_activity AS a
                      WHERE a.pid = w.pid AND a.backend_start = w.backend_start);
    INSERT INTO pgtandem.worker (pid, backend_start, mapping)
    VALUES (pg_backend_pid(), pgtandem._backend_start(), p_mapping)
    ON CONFLICT (pid) DO UPDATE
        SET mapping = excluded.mapping,
            backend_start = excluded.backend_start,
            started_at = clock_timestamp(),
            waiting_for = NULL,
            waiting_since = NULL;
$$;
COMMENT ON FUNCTION pgtandem._worker_start(text) IS 'Shows the calling session as a worker.';

CREATE FUNCTION pgtandem._worker_waits(p_reason text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE pgtandem.worker
    SET waiting_for = p_reason,
        waiting_since = CASE WHEN p_reason IS NOT NULL THEN clock_timestamp() END
    WHERE pid = pg_backend_pid() AND waiting_for IS DISTINCT FROM p_reason;
$$;
COMMENT ON FUNCTION pgtandem._worker_waits(text) IS
    'Shows what the calling worker waits for; NULL: it works again.';

CREATE FUNCTION pgtandem._worker_end() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM pgtandem.worker WHERE pid = pg_backend_pid();
$$;
COMMENT ON FUNCTION pgtandem._worker_end() IS 'The calling session is no longer a worker.';

CREATE FUNCTION pgtandem._wait_kind(p_reason text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN p_reason LIKE 'paused by %' THEN 'paused'
        WHEN p_reason LIKE 'replication lag of %' THEN 'replication_lag'
        WHEN p_reason LIKE 'slot % retains %' THEN 'slot'
        WHEN p_reason LIKE 'WAL rate %' THEN 'wal_rate'
        WHEN p_reason LIKE 'a vacuum of %' THEN 'vacuum'
        WHEN p_reason LIKE 'the pause between chunks' THEN 'pause'
        WHEN p_reason LIKE '% older transactions to end %' THEN 'older_transactions'
        WHEN p_reason LIKE '% rows that are locked or failed' THEN 'rows'
        WHEN p_reason LIKE 'a lock on %' THEN 'lock'
        WHEN p_reason LIKE '% sessions that waited for the last chunk' THEN 'blocked_sessions'
        WHEN p_reason LIKE '%other worker%' THEN 'other_workers'
        WHEN p_reason IS NOT NULL THEN 'other'
    END;
$$;
COMMENT ON FUNCTION pgtandem._wait_kind(text) IS
    'What a worker waits for, without names and figures, as a label for monitoring; NULL: nothing.';

CREATE VIEW pgtandem.worker_status AS
SELECT w.mapping,
       w.pid,
       w.started_at,
       w.waiting_for,
       pgtandem._wait_kind(w.waiting_for) AS kind,
       w.waiting_since
FROM pgtandem.worker AS w
JOIN pg_stat_activity AS a ON a.pid = w.pid
    -- Hidden, without pg_read_all_stats: rather one too many than an undo beside a backfill.
    AND coalesce(a.backend_start, w.backend_start) = w.backend_start
WHERE a.state IS DISTINCT FROM 'idle';
COMMENT ON VIEW pgtandem.worker_status IS
    'The sessions that are copying now. Without pg_read_all_stats, also another role''s session '
    'that has the process id of one that is gone.';
COMMENT ON COLUMN pgtandem.worker_status.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.worker_status.pid IS 'Process id of the backend.';
COMMENT ON COLUMN pgtandem.worker_status.started_at IS 'When its backfill was called.';
COMMENT ON COLUMN pgtandem.worker_status.waiting_for IS 'Why it waits; NULL: it works.';
COMMENT ON COLUMN pgtandem.worker_status.kind IS
    'The same in a word: paused, replication_lag, slot, wal_rate, vacuum, pause, '
    'older_transactions, rows, lock, blocked_sessions, other_workers, other.';
COMMENT ON COLUMN pgtandem.worker_status.waiting_since IS 'Since when it waits for that.';

COMMIT;
