-- Deploy mongo_tasks:switch to pg
-- requires: users_backfill tasks_backfill subtasks_backfill pgtandem:lock_tables pgtandem:event
--
-- The new application takes over. From now on it may write all of the three tables, and no import
-- may change the documents any more: it would bring old values over new ones. Whoever still reads
-- documents reads the views app.*_documents.
--
-- Before: the last export with --full, and "pgtandem verify" of each mapping.
--
-- Locks the three staging tables SHARE ROW EXCLUSIVE for some milliseconds, in bounded tries. An
-- import that is at work holds it up, and is named.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(
        ARRAY['staging.users', 'staging.tasks', 'staging.subtasks']::regclass[],
        'SHARE ROW EXCLUSIVE'
    );
END;
$$;

CREATE OR REPLACE FUNCTION app.refuse_import() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the documents in %.% are closed', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = 'The new application has taken over; an import would bring old values over '
                       'its own.',
              HINT = 'To go back to the documents: sqitch revert --to subtasks_backfill';
END;
$$;
COMMENT ON FUNCTION app.refuse_import() IS
    'Trigger on the staging tables after the switch: refuses each write.';

CREATE OR REPLACE TRIGGER closed
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON staging.users
    FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_import();
CREATE OR REPLACE TRIGGER closed
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON staging.tasks
    FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_import();
CREATE OR REPLACE TRIGGER closed
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON staging.subtasks
    FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_import();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app') THEN
        GRANT INSERT, UPDATE, DELETE ON app.users, app.tasks, app.subtasks TO new_app;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'old_app') THEN
        -- pgtandem: what writes a date or an _id as Extended JSON.
        GRANT USAGE ON SCHEMA app, pgtandem TO old_app;
        GRANT SELECT ON app.users_documents, app.tasks_documents, app.subtasks_documents
            TO old_app;
    END IF;
    PERFORM pgtandem.log_event('mongo_tasks', 'switch', '{}');
END;
$$;

COMMIT;
