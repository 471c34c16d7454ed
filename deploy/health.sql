-- Deploy pgtandem:health to pg
-- requires: throttle
-- requires: lock_tables
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._check_blockers(text, text, interval)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._check_backup(p_backup_at timestamptz)
RETURNS TABLE (name text, state text, figure text, todo text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_archiver pg_stat_archiver := (SELECT a FROM pg_stat_archiver AS a);
    v_age      interval := date_trunc('second', clock_timestamp() - p_backup_at);
BEGIN
    name := 'backup';
    IF v_age < interval '-1 minute' THEN
        RAISE EXCEPTION 'a backup of % is in the future', p_backup_at
            USING ERRCODE = 'TD070',
                  DETAIL = format('By the clock of the server it is %s.', clock_timestamp()),
                  HINT = 'Give the time with its zone, as in 2026-11-25T03:00:00Z.';
    ELSIF v_age IS NOT NULL THEN
        state := CASE WHEN v_age <= interval '24 hours' THEN 'pass' ELSE 'fail' END;
        figure := format('%s old, as given; limit 24:00:00', v_age);
        todo := 'Take one now, and see that it can be restored.';
    ELSIF current_setting('archive_mode') = 'off' THEN
        state := 'fail';
        figure := 'none is known: archive_mode is off';
        todo := 'Take one, and say when it was: --backup-at TIME';
    ELSIF v_archiver.last_archived_time IS NULL
          OR v_archiver.last_failed_time > v_archiver.last_archived_time THEN
        state := 'fail';
        figure := format('the archiver fails: %s at %s', coalesce(v_archiver.last_failed_wal,
                         'nothing archived yet'), coalesce(v_archiver.last_failed_time::text, '-'));
        todo := 'Mend archive_command (the server''s log says why), then SELECT pg_switch_wal().';
    ELSE
        state := 'warn';
        figure := format('WAL is archived until %s; of base backups SQL knows nothing',
                         date_trunc('second', v_archiver.last_archived_time));
        todo := 'Say when the last base backup was: --backup-at TIME';
    END IF;
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION pgtandem._check_backup(timestamptz) IS
    'Whether there is a backup of the last 24 hours: of the time given, else by the archiver.';

CREATE FUNCTION pgtandem._check_disk(p_table numeric, p_indexes numeric, p_free bigint)
RETURNS TABLE (name text, state text, figure text, todo text, wal_bytes numeric)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'disk',
           CASE WHEN p_free IS NULL THEN 'warn' WHEN p_free < n.needs THEN 'fail'
                WHEN p_free < 2 * n.needs THEN 'warn' ELSE 'pass' END,
           format('about %s: table %s, indexes %s, WAL %s; free: %s',
                  pg_size_pretty(round(n.needs)), pg_size_pretty(round(p_table)),
                  pg_size_pretty(round(p_indexes)), pg_size_pretty(round(n.wal)),
                  coalesce(pg_size_pretty(p_free), 'not known')),
           CASE WHEN p_free IS NULL
                THEN 'SQL does not know it: --free-disk SIZE, as df says on the server'
                ELSE 'Free twice what it takes. WAL stays where a slot or the archive falls behind.'
                END,
           n.wal
    -- Measured on 303,000 rows with random keys: 1.9 times the size of what was copied.
    FROM (SELECT 2 * (p_table + p_indexes) AS wal, 3 * (p_table + p_indexes) AS needs) AS n;
$$;
COMMENT ON FUNCTION pgtandem._check_disk(numeric, numeric, bigint) IS
    'Whether so many free bytes (NULL: not known) hold a table and indexes of this size and the '
    'WAL of writing them, taken as twice their size; pass: twice over.';

CREATE FUNCTION pgtandem._check_replication(p_settings jsonb)
RETURNS TABLE (name text, state text, figure text, todo text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_lag  numeric := pg_size_bytes(pgtandem._setting(p_settings, 'backfill', 'max_lag', '64MB'));
    v_slot numeric := pg_size_bytes(pgtandem._setting(p_settings, 'backfill', 'max_slot', '4GB'));
    v_over text;
    v_lost text;
BEGIN
    name := 'standbys';
    IF NOT pg_has_role('pg_read_all_stats', 'USAGE') THEN
        state := 'warn';
        figure := 'not seen without pg_read_all_stats';
        todo := format('GRANT pg_monitor TO %I;', current_user::text);
    ELSE
        SELECT string_agg(format('%s is %s behind', w.name, pg_size_pretty(w.bytes)), ', ')
                   FILTER (WHERE w.bytes > v_lag),
               coalesce(string_agg(format('%s: %s', w.name, pg_size_pretty(w.bytes)), ', '), 'none')
        INTO v_over, figure
        FROM pgtandem.wal_status AS w WHERE w.kind = 'standby';
        SELECT string_agg(format('%s: %s', r.application_name, r.state), ', ') INTO v_lost
        FROM pg_stat_replication AS r WHERE r.state NOT IN ('streaming', 'backup');
        state := CASE WHEN v_over IS NULL AND v_lost IS NULL THEN 'pass' ELSE 'warn' END;
        figure := concat_ws('; ', v_lost, coalesce(v_over, figure)) || ', limit '
                  || pg_size_pretty(v_lag);
        todo := 'A backfill waits until it has caught up (backfill.max_lag): see why it does not.';
    END IF;
    RETURN NEXT;
    name := 'slots';
    SELECT string_agg(format('%s retains %s', s.slot_name, pg_size_pretty(
                          pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn))), ', ')
               FILTER (WHERE pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) > v_slot),
           string_agg(format('%s is %s', s.slot_name, coalesce(
                          nullif(s.wal_status, 'reserved'), 'not in use')), ', ')
               FILTER (WHERE NOT s.active OR s.wal_status IN ('unreserved', 'lost')),
           coalesce(string_agg(s.slot_name, ', '), 'none')
    INTO v_over, v_lost, figure
    FROM pg_replication_slots AS s WHERE NOT s.temporary;
    state := CASE WHEN v_over IS NOT NULL THEN 'fail' WHEN v_lost IS NOT NULL THEN 'warn'
                  ELSE 'pass' END;
    figure := coalesce(nullif(concat_ws('; ', v_over, v_lost), ''), figure) || ', limit '
              || pg_size_pretty(v_slot);
    todo := 'A slot that nobody reads keeps WAL until the disk is full, and a backfill waits for '
            'it: let its reader run, or SELECT pg_drop_replication_slot(NAME).';
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION pgtandem._check_replication(jsonb) IS
    'Standbys behind backfill.max_lag or not streaming; slots that retain more than '
    'backfill.max_slot, or that nobody reads.';

CREATE FUNCTION pgtandem._check_transactions(p_limit interval)
RETURNS TABLE (name text, state text, figure text, todo text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    name := 'long_transactions';
    SELECT coalesce(string_agg(format('pid %s (%s, %s, %s)', a.pid, a.usename, a.state,
                        date_trunc('second', clock_timestamp() - a.xact_start)), '; '
                        ORDER BY a.xact_start), 'none')
    INTO figure
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
      AND a.backend_type = 'client backend' AND a.xact_start < clock_timestamp() - p_limit;
    state := CASE WHEN figure = 'none' THEN 'pass' ELSE 'fail' END;
    figure := format('%s longer than %s', figure, p_limit);
    todo := 'Let them end, or SELECT pg_terminate_backend(PID). The end of a backfill waits for '
            'them, and so do table locks.';
    IF state = 'pass' AND NOT pg_has_role('pg_read_all_stats', 'USAGE') THEN
        state := 'warn';
        figure := 'those of other roles are not seen without pg_read_all_stats';
        todo := format('GRANT pg_monitor TO %I;', current_user::text);
    END IF;
    RETURN NEXT;

    name := 'idle_in_transaction';
    SELECT count(*) || ' sessions'
           || coalesce(', the longest pid ' || (array_agg(format('%s (%s, %s)', a.pid, a.usename,
                  date_trunc('second', clock_timestamp() - a.state_change))
                  ORDER BY a.state_change))[1], ''),
           CASE WHEN count(*) = 0 THEN 'pass'
                WHEN min(a.state_change) < clock_timestamp() - p_limit THEN 'fail'
                ELSE 'warn' END
    INTO figure, state
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
      AND a.state LIKE 'idle in transaction%'
      AND a.state_change < clock_timestamp() - least(p_limit, interval '1 second');
    todo := 'They keep the locks they have. Find who forgets to commit; '
            'idle_in_transaction_session_timeout ends such sessions.';
    RETURN NEXT;

    name := 'prepared_transactions';
    SELECT coalesce(string_agg(format('%s (%s, %s)', p.gid, p.owner,
                        date_trunc('second', clock_timestamp() - p.prepared)), '; '), 'none'),
           CASE WHEN count(*) = 0 THEN 'pass'
                WHEN min(p.prepared) < clock_timestamp() - p_limit THEN 'fail' ELSE 'warn' END
    INTO figure, state
    FROM pg_prepared_xacts AS p WHERE p.database = current_database();
    todo := 'COMMIT PREPARED or ROLLBACK PREPARED: they keep their locks and no timeout ends them.';
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION pgtandem._check_transactions(interval) IS
    'Transactions of this database, running, idle or prepared, that are older than p_limit.';

CREATE FUNCTION pgtandem._check_settings(p_mapping pgtandem.mapping, p_wal_bytes numeric)
RETURNS TABLE (name text, state text, figure text, todo text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.name, CASE WHEN s.good THEN 'pass' ELSE s.otherwise END,
           current_setting(s.name) || coalesce(s.remark, ''), s.todo
    FROM (SELECT name, CASE unit WHEN 'MB' THEN setting::numeric * 1048576 END AS bytes,
                 CASE unit WHEN 'ms' THEN setting::numeric END AS ms, setting
          FROM pg_settings) AS f
    JOIN LATERAL (VALUES
        ('autovacuum', f.setting = 'on', 'fail', NULL,
         'Switch it on: dead rows of the sync and old statistics would stay.'),
        ('track_counts', f.setting = 'on', 'fail', NULL,
         'Switch it on: without it autovacuum does nothing, and the gate counts no writes.'),
        ('wal_level', f.setting <> 'minimal', 'warn', NULL,
         'minimal allows neither standbys nor an archive: replica needs a restart.'),
        ('max_wal_size', coalesce(f.bytes >= p_wal_bytes / 4, true), 'warn',
         ', about ' || pg_size_pretty(p_wal_bytes) || ' of WAL to come',
         'Raise it for the backfill, or set backfill.max_wal_rate: a checkpoint every few seconds '
         'costs more than it saves.'),
        ('deadlock_timeout', f.ms > extract(epoch FROM pgtandem._setting(
             p_mapping.settings, 'sync', 'lock_timeout', '500ms')::interval) * 1000, 'fail',
         ', sync.lock_timeout ' || pgtandem._setting(p_mapping.settings, 'sync', 'lock_timeout',
                                                     '500ms'),
         'Keep it above sync.lock_timeout: in a deadlock, the application could be the one that is '
         'cancelled.'),
        ('lock_timeout', f.ms = 0 OR f.ms >= 1000, 'warn', NULL,
         'Shorter than a try of the scripts, which set their own: set it for the applications '
         'alone, by ALTER ROLE.'),
        ('statement_timeout', f.ms = 0, 'warn', NULL,
         format('It bounds CALL pgtandem.backfill as a whole: ALTER ROLE %I SET '
                'statement_timeout = 0;', session_user::text)),
        ('client_connection_check_interval', f.ms > 0, 'warn', NULL,
         'Set it to 2s, so that a CALL in psql ends when its client is killed.')
    ) AS s (name, good, otherwise, remark, todo) ON s.name = f.name;
$$;
COMMENT ON FUNCTION pgtandem._check_settings(pgtandem.mapping, numeric) IS
    'The settings of this session that matter to a move which writes so much WAL (NULL: unknown).';

CREATE FUNCTION pgtandem._check_blockers(p_mapping text, p_mode text, p_limit interval)
RETURNS TABLE (name text, state text, figure text, todo text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_table   regclass;
    v_lasting boolean;
BEGIN
    FOREACH v_table IN ARRAY ARRAY[v_mapping.source, v_mapping.target] LOOP
        name := CASE WHEN v_table = v_mapping.source THEN 'lock_of_source'
                     ELSE 'lock_of_target' END;
        figure := pgtandem._blockers(ARRAY[v_table], p_mode);
        -- As in _blockers. An autovacuum gives way.
        v_lasting := EXISTS (
            SELECT FROM pg_locks AS l
            LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
            WHERE l.granted AND l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_backend_pid()
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND l.relation IN (SELECT v_table UNION SELECT relid FROM pg_partition_tree(v_table))
              AND (p_mode = 'ACCESS EXCLUSIVE' OR l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
              AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
              -- The look at the sessions is as old as the transaction: who came since is not in it.
              AND (l.pid IS NULL OR a.pid IS NOT NULL)
              -- Nor is what a session did that was idle then. NULL: it is not ours to see.
              AND coalesce(a.xact_start < clock_timestamp() - p_limit, a.state IS NULL));
        state := CASE WHEN figure IS NULL THEN 'pass' WHEN v_lasting THEN 'fail' ELSE 'warn' END;
        figure := format('%s %s: %s', p_mode, v_table, coalesce(figure, 'nobody is in the way'));
        todo := 'Short transactions come and go, and the scripts try 20 times. Let those that last '
                'end first.';
        RETURN NEXT;
        EXIT WHEN v_mapping.source = v_mapping.target;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._check_blockers(text, text, interval) IS
    'Who holds what the next phase will want to lock in this mode, and since when; fail where one '
    'of them is older than p_limit, is prepared, or cannot be seen.';

COMMIT;
