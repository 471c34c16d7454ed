-- Deploy pgtandem:lock_tables to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._blockers(regclass[], text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._blockers(p_tables regclass[], p_mode text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(DISTINCT format('pid %s (%s, %s, %s for %s, in its transaction since %s)',
               coalesce(l.pid::text, 'none, prepared'), coalesce(a.usename, '?'),
               coalesce(nullif(a.application_name, ''), 'no name'),
               coalesce(a.state, '?'),
               coalesce(date_trunc('second', clock_timestamp() - CASE a.state
                   WHEN 'active' THEN a.query_start ELSE a.state_change END)::text, '?'),
               coalesce(to_char(a.xact_start, 'HH24:MI:SS'), '?')), '; ')
    FROM pg_locks AS l
    LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'relation'
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.relation IN (SELECT t FROM unnest(p_tables::oid[]) AS t
                         UNION
                         SELECT p.relid FROM unnest(p_tables) AS t, pg_partition_tree(t) AS p)
      -- SHARE ROW EXCLUSIVE lets readers be, ACCESS SHARE all but one.
      AND (p_mode = 'ACCESS EXCLUSIVE' OR l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
      AND (p_mode <> 'ACCESS SHARE' OR l.mode = 'AccessExclusiveLock')
      AND l.granted
      AND l.pid IS DISTINCT FROM pg_backend_pid();
$$;
COMMENT ON FUNCTION pgtandem._blockers(regclass[], text) IS
    'The sessions whose locks on the tables or their partitions keep p_mode away, for messages.';

CREATE FUNCTION pgtandem.lock_tables(
    p_tables regclass[],
    p_mode   text,
    p_tries  integer DEFAULT 20
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table regclass;
    v_lock  text := CASE p_mode WHEN 'ACCESS SHARE' THEN 'LOCK TABLE %s IN ACCESS SHARE MODE'
                    WHEN 'ACCESS EXCLUSIVE' THEN 'LOCK TABLE %s IN ACCESS EXCLUSIVE MODE'
                    ELSE 'LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE' END;
    v_first text := (SELECT setting::integer + 200 FROM pg_settings
                     WHERE name = 'deadlock_timeout');
BEGIN
    IF (p_mode IN ('ACCESS SHARE', 'SHARE ROW EXCLUSIVE', 'ACCESS EXCLUSIVE')) IS NOT TRUE THEN
        RAISE EXCEPTION 'lock_tables does not take the mode %', p_mode
            USING ERRCODE = 'TD005',
                  HINT = 'Say ACCESS SHARE, SHARE ROW EXCLUSIVE or ACCESS EXCLUSIVE.';
    END IF;
    IF p_mode <> 'ACCESS SHARE'
       AND current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'lock_tables needs READ COMMITTED, not %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'TD005',
                  DETAIL = 'What is read after the lock would be older than the lock.',
                  HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
    END IF;
    FOR v_try IN 1..p_tries LOOP
        BEGIN
            PERFORM set_config('lock_timeout', v_first, true);
            IF p_mode <> 'ACCESS SHARE' THEN
                -- An autovacuum gives way to who waits longer than deadlock_timeout. Behind this
                -- mode no application waits.
                FOREACH v_table IN ARRAY p_tables LOOP
                    EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', v_table);
                END LOOP;
                -- Nobody stands behind who does not wait: between two short transactions there is
                -- often a moment in which all tables are free.
                FOR v_look IN 1..200 LOOP
                    BEGIN
                        FOREACH v_table IN ARRAY p_tables LOOP
                            EXECUTE format(v_lock || ' NOWAIT', v_table);
                        END LOOP;
                        PERFORM set_config('lock_timeout', '500ms', true);
                        RETURN v_try;
                    EXCEPTION
                        WHEN lock_not_available THEN
                            PERFORM pg_sleep(0.002 * random());
                    END;
                END LOOP;
                PERFORM set_config('lock_timeout', least(300 * v_try, 1000)::text, true);
            END IF;
            -- Always in the order given, the source first: who waits there waits in a statement of
            -- its own. A sync trigger that waits for the target gives up, and its key is queued.
            FOREACH v_table IN ARRAY p_tables LOOP
                EXECUTE format(v_lock, v_table);
                -- Here we may stand crosswise to a writer of the new application, who waits for the
                -- source: far less than deadlock_timeout, or he would pay for it.
                PERFORM set_config('lock_timeout', least(100 * v_try, 300)::text, true);
            END LOOP;
            PERFORM set_config('lock_timeout', '500ms', true);
            RETURN v_try;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                NULL;  -- the rollback to here has released what was locked
        END;
        PERFORM pg_stat_clear_snapshot();  -- else pg_stat_activity stays as at the first look
        IF v_try < p_tries THEN
            IF v_try % 3 = 1 THEN
                RAISE NOTICE 'waiting for a lock on %, try % of %: %', v_table, v_try, p_tries,
                    coalesce(pgtandem._blockers(ARRAY[v_table], p_mode), 'nobody is in the way now')
                    USING HINT = 'Between the tries nothing is held. To give up: Ctrl-C.';
            END IF;
            PERFORM pg_sleep(least(0.1 * 1.5 ^ v_try, 3) * (0.5 + random() / 2));
        END IF;
    END LOOP;
    RAISE EXCEPTION 'could not lock % in % tries', array_to_string(p_tables, ', '), p_tries
        USING ERRCODE = 'TD004',
              DETAIL = format('Now in the way: %s.',
                              coalesce(pgtandem._blockers(p_tables, p_mode), 'nobody')),
              HINT = 'Nothing was changed. Run it again when these transactions have ended.';
END;
$$;
COMMENT ON FUNCTION pgtandem.lock_tables(regclass[], text, integer) IS
    'Locks tables, for DDL or against it, in bounded tries with back-off, holding nothing while it '
    'waits, so that no queue of writers builds up behind it, and says in a NOTICE who is in the '
    'way. Name the source before the target. Returns the number of tries; TD004 where all failed. '
    'Call it first in the transaction: its lock_timeout of 500 ms stays until the end.';

COMMIT;
