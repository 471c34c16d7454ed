-- Deploy pgtandem:backfill to pg
-- requires: copy
-- requires: worker
-- requires: throttle
-- requires: drain
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regtype('pgtandem.backfill_step') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

-- Where one session stands between two transactions of its backfill.
CREATE TYPE pgtandem.backfill_step AS (
    stage    text,
    blocks   bigint,
    strategy text,
    deadline timestamptz,
    older    text[],
    upto     bigint,
    wait     double precision
);
COMMENT ON TYPE pgtandem.backfill_step IS
    'State of one session of a backfill: stage (copy, wait, resolve, drain, close, done, stopped, '
    'stuck, extra); blocks a chunk; strategy of the last chunk; deadline; older: virtual '
    'transactions that may not see every chunk; upto: last queue id to be drained before the copy '
    'can close; wait: seconds.';

CREATE FUNCTION pgtandem._backfill_start(p_mapping text, p_max_time interval)
RETURNS pgtandem.backfill_step
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_step    pgtandem.backfill_step;
BEGIN
    IF v_mapping.copy_state = 'none' OR v_mapping.phase = 'contract' THEN
        RAISE EXCEPTION 'mapping "%" is in phase %: there is nothing to backfill',
            p_mapping, v_mapping.phase
            USING ERRCODE = 'TD007',
                  HINT = CASE v_mapping.phase WHEN 'contract'
                              THEN 'Its copy was complete before contract.'
                              ELSE format('Deploy its triggers first: sqitch deploy --to %s_sync.',
                                          p_mapping) END;
    END IF;
    IF EXISTS (SELECT FROM pgtandem._changed_leaves(p_mapping)) THEN
        PERFORM pgtandem._reopen_copy(p_mapping);
        v_mapping := pgtandem.mapping_of(p_mapping);
    END IF;
    PERFORM pgtandem.lock_tables(ARRAY[v_mapping.source], 'ACCESS SHARE', 5);
    v_step.stage := CASE v_mapping.copy_state WHEN 'complete' THEN 'done' ELSE 'copy' END;
    v_step.blocks := 64;
    -- Values kept out of line: begin with about 4 MB, not with 64 blocks.
    SELECT greatest(1, least(64, 4194304 * greatest(1, pg_relation_size(l) / 8192)
                                 / greatest(1, pg_table_size(l))))
    INTO v_step.blocks
    FROM pgtandem._leaves(v_mapping.source) AS l ORDER BY pg_table_size(l) DESC LIMIT 1;
    v_step.strategy := v_mapping.copy_strategy;
    v_step.deadline := clock_timestamp() + p_max_time;
    v_step.wait := 0;
    PERFORM pgtandem._list_new_leaves(p_mapping);
    PERFORM pgtandem._worker_start(p_mapping);
    -- What was given up may have been mended since.
    UPDATE pgtandem.recheck SET attempts = 0, not_before = '-infinity'
    WHERE mapping = p_mapping AND side = 'target' AND attempts >= 5;
    -- It counts from the start of a statement, so it cannot be set in here.
    IF current_setting('client_connection_check_interval') = '0' AND v_step.stage <> 'done' THEN
        RAISE NOTICE 'if its client is killed, this session goes on with the backfill unseen'
            USING HINT = 'SET client_connection_check_interval = ''2s''; before the CALL ends it.';
    END IF;
    RETURN v_step;
END;
$$;
COMMENT ON FUNCTION pgtandem._backfill_start(text, interval) IS
    'Checks that a mapping can be backfilled (TD001, TD007; TD004 where its source stays locked), '
    'lists its chunks, shows the worker.';

CREATE FUNCTION pgtandem._older_transactions(p_mapping text, p_older text[] DEFAULT NULL)
RETURNS text[]
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(DISTINCT l.virtualtransaction)
    FROM pgtandem.mapping_of(p_mapping) AS m
    CROSS JOIN pg_locks AS l
    LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.granted
      AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
      AND (p_older IS NULL OR l.virtualtransaction = ANY (p_older))
      AND (
          -- Without a snapshot (idle in a READ COMMITTED transaction, as Sqitch is) its next
          -- statement sees every chunk. Where we may not look (state NULL), we take it for a
          -- holder.
          l.locktype = 'virtualxid'
          AND (a.datname IS NULL OR a.datname = current_database())
          AND (a.state IS NULL OR a.backend_xmin IS NOT NULL)
          -- But what it has written may not have seen them, and is queued only by its commit.
          OR l.locktype = 'relation'
          AND l.mode = 'RowExclusiveLock'
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND l.relation IN (SELECT pgtandem._relations(m.source)
                             UNION ALL SELECT pgtandem._relations(m.target))
      );
$$;
COMMENT ON FUNCTION pgtandem._older_transactions(text, text[]) IS
    'The virtual transactions of others (prepared ones, too) that may have written the source or '
    'the target of a mapping, or may yet do so, without seeing what is committed now: they hold a '
    'snapshot in this database, or have written one of the two. Or those of p_older that still '
    'do; NULL: none. Snapshots of other roles are only seen with pg_monitor; without it each of '
    'their open transactions counts.';

CREATE FUNCTION pgtandem._backfill_close(p_mapping text, INOUT p_step pgtandem.backfill_step)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_batch record;
BEGIN
    p_step.wait := 0;
    IF p_step.stage = 'wait' THEN
        p_step.older := pgtandem._older_transactions(p_mapping, p_step.older);
        IF p_step.older IS NOT NULL THEN
            PERFORM pgtandem._worker_waits(format('%s older transactions to end (pid %s)',
                cardinality(p_step.older),
                (SELECT string_agg(DISTINCT coalesce(pid::text, 'none, prepared'), ', ')
                 FROM pg_locks WHERE virtualtransaction = ANY (p_step.older))));
            p_step.wait := 0.05;
            RETURN;
        END IF;
        PERFORM pgtandem._worker_waits(NULL);
        -- Entries queued from here on are of those who see every chunk, or of what was touched.
        p_step.upto := (SELECT max(id) FROM pgtandem.recheck WHERE mapping = p_mapping);
        p_step.stage := 'resolve';
    ELSIF p_step.stage = 'resolve' THEN
        IF pgtandem._resolve_touches(p_mapping, p_step.upto) = 0
           AND NOT EXISTS (SELECT FROM pgtandem.recheck
                           WHERE mapping = p_mapping AND via IS NOT NULL AND id <= p_step.upto) THEN
            p_step.upto := (SELECT max(id) FROM pgtandem.recheck WHERE mapping = p_mapping);
            p_step.stage := 'drain';
        END IF;
        p_step.wait := CASE p_step.stage WHEN 'drain' THEN 0 ELSE 0.02 END;
    ELSIF p_step.stage = 'drain' THEN
        SELECT * INTO v_batch FROM pgtandem._drain_batch(p_mapping, NULL, p_step.upto);
        IF v_batch.settled = 0 THEN
            IF NOT EXISTS (SELECT FROM pgtandem.recheck
                           WHERE mapping = p_mapping AND side = 'target' AND id <= p_step.upto) THEN
                p_step.stage := 'close';
            ELSIF NOT EXISTS (SELECT FROM pgtandem.recheck
                              WHERE mapping = p_mapping AND side = 'target' AND id <= p_step.upto
                                AND (attempts < 5 OR sqlstate IN ('40001', '40P01', '55P03'))) THEN
                p_step.stage := 'stuck';
            ELSE
                PERFORM pgtandem._worker_waits(format('%s rows that are locked or failed', (
                    SELECT count(DISTINCT key) FROM pgtandem.recheck
                    WHERE mapping = p_mapping AND side = 'target' AND id <= p_step.upto)));
                p_step.wait := 0.05;
            END IF;
        END IF;
    ELSE
        PERFORM FROM pgtandem.mapping WHERE name = p_mapping FOR NO KEY UPDATE;
        IF (pgtandem.mapping_of(p_mapping)).copy_state <> 'open' THEN
            p_step.stage := 'done';
        ELSIF pgtandem._list_new_leaves(p_mapping) > 0
              OR (pgtandem.mapping_of(p_mapping)).sweep <> 'none'
              OR EXISTS (SELECT FROM pgtandem.chunk
                         WHERE mapping = p_mapping AND done_at IS NULL) THEN
            p_step.stage := 'copy';
        ELSE
            UPDATE pgtandem.mapping
            SET copy_state = 'complete', copy_changed = clock_timestamp()
            WHERE name = p_mapping;
            PERFORM pgtandem.log_event(p_mapping, 'copy', (
                SELECT jsonb_build_object('state', 'complete', 'rows', sum(rows),
                                          'chunks', count(*), 'set_aside', sum(set_aside))
                FROM pgtandem.chunk WHERE mapping = p_mapping));
            p_step.stage := 'done';
        END IF;
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._backfill_close(text, pgtandem.backfill_step) IS
    'One step from "every chunk is done" to "complete": wait for older transactions as CREATE '
    'INDEX CONCURRENTLY does, drain what was queued until then, close the copy.';

CREATE FUNCTION pgtandem._sweep(p_mapping text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_sweep text;
    v_found boolean;
BEGIN
    SELECT sweep INTO v_sweep FROM pgtandem.mapping
    WHERE name = p_mapping AND sweep <> 'none'
    FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN CASE WHEN (pgtandem.mapping_of(p_mapping)).sweep = 'none' THEN 'clear'
                    ELSE 'busy' END;
    ELSIF v_sweep = 'remove' THEN
        EXECUTE format('SELECT %I.queue_extra()', 'pgtandem_' || p_mapping);
    ELSE
        EXECUTE format('SELECT EXISTS (SELECT FROM %I.compared() AS c WHERE NOT c.in_source AND '
                       'NOT EXISTS (SELECT FROM pgtandem.recheck AS r WHERE r.mapping = $1 AND '
                       'r.key IN (c.key, pgtandem._settled_at_once($1, c.key))))',
                       'pgtandem_' || p_mapping)
        INTO v_found USING p_mapping;
        IF v_found THEN
            RETURN 'extra';
        END IF;
    END IF;
    UPDATE pgtandem.mapping SET sweep = 'none' WHERE name = p_mapping;
    RETURN 'clear';
END;
$$;
COMMENT ON FUNCTION pgtandem._sweep(text) IS
    'Looks, once a copy, for rows of the target that have no image, which a copy by the rows of '
    'the source does not see. clear: there are none, or they are queued. extra: there are some, '
    'and somebody has to decide. busy: another worker is at it.';

CREATE FUNCTION pgtandem._backfill_step(p_mapping text, INOUT p_step pgtandem.backfill_step)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_copied  pgtandem.copied;
    v_reason  text;
    v_wal     pg_lsn := pg_current_wal_insert_lsn();
    v_target  double precision := extract(epoch FROM pgtandem._setting(
                     v_mapping.settings, 'backfill', 'chunk_time', '0.2s')::interval);
BEGIN
    IF clock_timestamp() > p_step.deadline THEN
        p_step.stage := 'stopped';
        RETURN;
    END IF;
    IF p_step.stage <> 'copy' THEN
        p_step := pgtandem._backfill_close(p_mapping, p_step);
        RETURN;
    END IF;
    p_step.wait := 0;
    IF v_mapping.paused_by IS NULL THEN
        -- Done is committed with the copy, so a crash that loses the commit loses both.
        PERFORM set_config('synchronous_commit', 'off', true);
        v_copied := pgtandem._copy_next(p_mapping, p_step.blocks, p_step.strategy);
        IF v_copied.outcome = 'none' THEN
            p_step.stage := CASE pgtandem._sweep(p_mapping)
                WHEN 'clear' THEN 'wait' WHEN 'extra' THEN 'extra' ELSE 'copy' END;
            IF p_step.stage = 'wait' THEN
                p_step.older := pgtandem._older_transactions(p_mapping);
            ELSIF p_step.stage = 'copy' THEN
                PERFORM pgtandem._worker_waits(
                    'another worker that looks for rows without a source');
                p_step.wait := 0.05;
            END IF;
            RETURN;
        ELSIF v_copied.outcome IN ('busy', 'locked') THEN
            PERFORM pgtandem._worker_waits(CASE v_copied.outcome
                WHEN 'busy' THEN 'the chunks of other workers'
                ELSE format('a lock on %s or %s', v_mapping.source, v_mapping.target) END);
            p_step.wait := CASE v_copied.outcome WHEN 'busy' THEN 0.02 ELSE 0.5 END;
            RETURN;
        END IF;
        p_step.strategy := CASE WHEN v_copied.strategy IN ('ignore', 'rows') THEN 'skip'
                                ELSE v_copied.strategy END;
        IF v_copied.outcome <> 'done' OR v_copied.seconds > v_target OR v_copied.waiters > 0 THEN
            p_step.blocks := greatest(1, least(v_copied.blocks / 2,
                v_copied.blocks * v_target / greatest(v_copied.seconds, 0.001))::bigint);
        ELSIF v_copied.seconds < v_target / 4 THEN
            p_step.blocks := least(512, p_step.blocks * 2);
        ELSIF v_copied.seconds < v_target / 2 THEN
            p_step.blocks := least(512, greatest(p_step.blocks + 1, p_step.blocks * 3 / 2));
        END IF;
    END IF;
    SELECT t.reason, t.seconds INTO v_reason, p_step.wait
    FROM pgtandem._throttle(v_mapping, greatest(v_copied.seconds, 0.001)::double precision,
                            pg_wal_lsn_diff(pg_current_wal_insert_lsn(), v_wal)) AS t;
    IF v_reason IS NULL AND v_copied.waiters > 0 THEN
        v_reason := format('%s sessions that waited for the last chunk', v_copied.waiters);
        p_step.wait := v_copied.seconds;
    END IF;
    PERFORM pgtandem._worker_waits(v_reason);
END;
$$;
COMMENT ON FUNCTION pgtandem._backfill_step(text, pgtandem.backfill_step) IS
    'What a backfill does in one transaction: copy a chunk, or bring the copy to its close.';

CREATE FUNCTION pgtandem._backfill_end(p_mapping text, p_step pgtandem.backfill_step) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_failed record;
    v_count  bigint;
    v_key    text;
BEGIN
    IF p_step.stage = 'done' AND (pgtandem.mapping_of(p_mapping)).phase = 'backfill' THEN
        -- Its deploy has done that, but the copy was opened again since.
        PERFORM pgtandem._switch_moved(p_mapping, false);
    ELSIF p_step.stage = 'stopped' THEN
        RAISE INFO 'backfill of % stopped at its time limit, after a whole chunk', p_mapping
            USING HINT = 'Run it again to go on from there.';
    ELSIF p_step.stage = 'stuck' THEN
        SELECT count(*) OVER () AS keys, q.* INTO v_failed
        FROM (SELECT DISTINCT ON (key) key, sqlstate AS state, message FROM pgtandem.recheck
              WHERE mapping = p_mapping AND side = 'target' AND attempts > 0
              ORDER BY key, id DESC) AS q
        ORDER BY q.key LIMIT 1;
        RAISE EXCEPTION '% rows of mapping "%" cannot be copied', v_failed.keys, p_mapping
            USING ERRCODE = 'TD008',
                  DETAIL = format('For example %s: %s (%s). All other rows are copied.',
                                  v_failed.key, v_failed.message, v_failed.state),
                  HINT = format('See pgtandem.failures; mend the rows or the mapping; then '
                                'pgtandem retry %s, or SELECT pgtandem.retry(%L); and run it '
                                'again.', p_mapping, p_mapping);
    ELSIF p_step.stage = 'extra' THEN
        EXECUTE format('SELECT count(*), min(key::text) FROM %I.compared() WHERE NOT in_source',
                       'pgtandem_' || p_mapping) INTO v_count, v_key;
        RAISE EXCEPTION '% rows of the target of mapping "%" have no row in its source',
            v_count, p_mapping
            USING ERRCODE = 'TD026',
                  DETAIL = format('For example %s. There was a time without sync: they were '
                                  'deleted in the source then, or are the new application''s own. '
                                  'All rows of the source are copied.', v_key),
                  HINT = format('"pgtandem verify %1$s" lists them, "pgtandem repair %1$s" deletes '
                                'them; to keep one, insert it into the source. Then run it again.',
                                p_mapping);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._backfill_end(text, pgtandem.backfill_step) IS
    'Says how a backfill ended, and switches off what only an open copy needs; TD008 where rows '
    'cannot be copied, TD026 where the target holds rows that the source does not.';

-- No SET search_path: PostgreSQL refuses it for a procedure that commits. All names are qualified.
CREATE PROCEDURE pgtandem.backfill(p_mapping text, p_max_time interval DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
    v_step pgtandem.backfill_step;
BEGIN
    v_step := pgtandem._backfill_start(p_mapping, p_max_time);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        EXIT WHEN v_step.stage OPERATOR(pg_catalog.=)
                  ANY (ARRAY['done', 'stopped', 'stuck', 'extra']);
        IF v_step.wait OPERATOR(pg_catalog.>) 0 THEN
            PERFORM pg_catalog.pg_sleep(v_step.wait);
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        END IF;
        v_step := pgtandem._backfill_step(p_mapping, v_step);
    END LOOP;
    PERFORM pgtandem._worker_end();
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM pgtandem._backfill_end(p_mapping, v_step);
END;
$$;
COMMENT ON PROCEDURE pgtandem.backfill(text, interval) IS
    'Copies what was in the source before its triggers, a chunk a transaction, until the copy is '
    'proven complete or p_max_time is over. Run it in as many sessions as should work in '
    'parallel; interrupt and repeat it at will. TD001 unknown mapping, TD007 no triggers yet, '
    'TD008 bad rows, TD026 rows that only the target has.';

CREATE FUNCTION pgtandem.require_small_rest(p_mapping text, p_blocks bigint DEFAULT 12800)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_rest bigint;
BEGIN
    IF (pgtandem.mapping_of(p_mapping)).copy_state = 'complete' THEN
        RETURN;
    END IF;
    PERFORM pgtandem._list_new_leaves(p_mapping);
    SELECT coalesce(sum(last_block - first_block), 0) INTO v_rest
    FROM pgtandem.chunk WHERE mapping = p_mapping AND done_at IS NULL;
    IF v_rest > p_blocks THEN
        RAISE EXCEPTION 'the copy of mapping "%" has % blocks to go', p_mapping, v_rest
            USING ERRCODE = 'TD019',
                  DETAIL = format('A deploy copies at most %s blocks itself, as it cannot show '
                                  'progress and would go on unseen if its client were killed.',
                                  p_blocks),
                  HINT = format('pgtandem backfill %s --jobs 2, or in psql: '
                                'CALL pgtandem.backfill(%L); then deploy again.',
                                p_mapping, p_mapping);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_small_rest(text, bigint) IS
    'Raises TD019 where more than p_blocks blocks of the source are still to be copied.';

COMMIT;
