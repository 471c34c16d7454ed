-- Deploy pgtandem:lock_tables to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._blockers(regclass[])') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._blockers(p_tables regclass[]) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(DISTINCT format('pid %s (%s, %s, in its transaction since %s)', l.pid,
               coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), 'no name'),
               coalesce(to_char(a.xact_start, 'HH24:MI:SS'), '?')), '; ')
    FROM pg_locks AS l
    LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'relation'
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.relation = ANY (p_tables::oid[])
      AND l.granted
      AND l.pid <> pg_backend_pid();
$$;
COMMENT ON FUNCTION pgtandem._blockers(regclass[]) IS
    'The sessions that hold a lock on one of the tables, for an error message.';

CREATE FUNCTION pgtandem.lock_tables(
    p_tables regclass[],
    p_mode   text,
    p_tries  integer DEFAULT 20
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tables regclass[] := p_tables;
    v_table  regclass;
    v_first  text := (SELECT setting::integer + 200 FROM pg_settings
                      WHERE name = 'deadlock_timeout');
BEGIN
    IF (p_mode IN ('SHARE ROW EXCLUSIVE', 'ACCESS EXCLUSIVE')) IS NOT TRUE THEN
        RAISE EXCEPTION 'lock_tables does not take the mode %', p_mode
            USING ERRCODE = 'TD005', HINT = 'Say SHARE ROW EXCLUSIVE or ACCESS EXCLUSIVE.';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'lock_tables needs READ COMMITTED, not %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'TD005',
                  DETAIL = 'What is read after the lock would be older than the lock.',
                  HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
    END IF;
    FOR v_try IN 1..p_tries LOOP
        BEGIN
            -- The first lock is asked for holding nothing, a little longer than deadlock_timeout:
            -- only then does an autovacuum give way. The others wait less, so that we never make a
            -- deadlock with a writer that the writer would pay for.
            PERFORM set_config('lock_timeout', v_first, true);
            FOREACH v_table IN ARRAY v_tables LOOP
                EXECUTE format(CASE p_mode WHEN 'ACCESS EXCLUSIVE'
                                    THEN 'LOCK TABLE %s IN ACCESS EXCLUSIVE MODE'
                                    ELSE 'LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE' END, v_table);
                PERFORM set_config('lock_timeout', '500ms', true);
            END LOOP;
            RETURN v_try;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                -- The rollback to here has released what was locked. The one in the way comes first
                -- now.
                v_tables := v_table || array_remove(v_tables, v_table);
        END;
        IF v_try < p_tries THEN
            PERFORM pg_sleep(least(0.1 * 1.5 ^ v_try, 3) * (0.5 + random() / 2));
        END IF;
    END LOOP;
    RAISE EXCEPTION 'could not lock % in % tries', array_to_string(p_tables, ', '), p_tries
        USING ERRCODE = 'TD004',
              DETAIL = format('Now in the way: %s.',
                              coalesce(pgtandem._blockers(p_tables), 'nobody')),
              HINT = 'Nothing was changed. Run it again when these transactions have ended.';
END;
$$;
COMMENT ON FUNCTION pgtandem.lock_tables(regclass[], text, integer) IS
    'Locks tables for DDL in bounded tries with back-off, holding nothing while it waits, so that '
    'no queue of writers builds up behind it. Returns the number of tries; TD004 where all '
    'failed. Call it first in the transaction: its lock_timeout of 500 ms stays until the end.';

COMMIT;
