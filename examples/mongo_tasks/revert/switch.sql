-- Revert mongo_tasks:switch from pg
--
-- Back to the documents: imports go on, and the new application may no longer write. What it has
-- written meanwhile stays until an import or a repair brings another value of that row; "pgtandem
-- verify" lists it. Locks the three staging tables ACCESS EXCLUSIVE for some milliseconds, in
-- bounded tries.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app') THEN
        REVOKE INSERT, UPDATE, DELETE ON app.users, app.tasks, app.subtasks FROM new_app;
        GRANT UPDATE (rating, evaluate) ON app.subtasks TO new_app;
    END IF;
    PERFORM pgtandem.lock_tables(
        ARRAY['staging.users', 'staging.tasks', 'staging.subtasks']::regclass[],
        'ACCESS EXCLUSIVE'
    );
END;
$$;

DROP TRIGGER IF EXISTS closed ON staging.users;
DROP TRIGGER IF EXISTS closed ON staging.tasks;
DROP TRIGGER IF EXISTS closed ON staging.subtasks;
DROP FUNCTION IF EXISTS app.refuse_import();

COMMIT;
