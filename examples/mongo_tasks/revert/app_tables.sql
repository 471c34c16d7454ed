-- Revert mongo_tasks:app_tables from pg
--
-- Refuses (TD901) while rows would be lost that exist nowhere else: those whose document is not in
-- the staging table, and ratings. To drop them all the same, save them and say so by name:
--
--     PGOPTIONS="-c pgtandem.drop_data=app_tables" sqitch revert
--
-- What the new application has changed of a row that has a document is not looked for here:
-- "pgtandem verify" lists it, as long as the mapping is deployed.
--
-- Locks the three tables ACCESS EXCLUSIVE, in bounded tries, while it looks.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regnamespace('app') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    v_allowed boolean := coalesce(current_setting('pgtandem.drop_data', true) = 'app_tables',
                                  false);
    v_table   text;
    v_lost    jsonb := '{}';
    v_rows    bigint;
BEGIN
    PERFORM pgtandem.lock_tables(ARRAY['app.users', 'app.tasks', 'app.subtasks']::regclass[],
                                 'ACCESS EXCLUSIVE');
    FOREACH v_table IN ARRAY ARRAY['users', 'tasks', 'subtasks'] LOOP
        EXECUTE format(
            CASE WHEN to_regclass('staging.' || v_table) IS NULL
                 THEN 'SELECT count(*) FROM app.%1$I'
                 ELSE 'SELECT count(*) FROM app.%1$I AS t WHERE NOT EXISTS (SELECT FROM '
                      'staging.%1$I AS s WHERE s._id = t.mongo_id)' END,
            v_table)
        INTO v_rows;
        v_lost := v_lost || jsonb_build_object(v_table, v_rows);
    END LOOP;
    v_lost := v_lost || jsonb_build_object('ratings', (
        SELECT count(*) FROM app.subtasks WHERE rating IS NOT NULL OR evaluate IS NOT NULL));
    IF v_lost <> '{"users": 0, "tasks": 0, "subtasks": 0, "ratings": 0}' THEN
        IF NOT v_allowed THEN
            RAISE EXCEPTION 'reverting app_tables would destroy rows that exist nowhere else'
                USING ERRCODE = 'TD901',
                      DETAIL = format('users: %s, tasks: %s, subtasks: %s, ratings: %s.',
                                      v_lost ->> 'users', v_lost ->> 'tasks',
                                      v_lost ->> 'subtasks', v_lost ->> 'ratings'),
                      HINT = 'Save them (pg_dump --schema=app), then allow it by name: '
                             'PGOPTIONS="-c pgtandem.drop_data=app_tables" sqitch revert.';
        END IF;
        PERFORM pgtandem.log_event('mongo_tasks', 'override',
                                   v_lost || '{"pgtandem.drop_data": "app_tables"}');
    END IF;
END;
$$;

DROP TABLE app.subtasks;
DROP TABLE app.tasks;
DROP TABLE app.users;
DROP SCHEMA app;

COMMIT;
