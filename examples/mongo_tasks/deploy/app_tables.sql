-- Deploy mongo_tasks:app_tables to pg
-- requires: pgtandem:event pgtandem:lock_tables (for its revert)
--
-- The three new tables, empty. Columns and defaults are the plan's, with one more: mongo_id, the
-- _id of the document that a row comes from. Locks nothing that exists.
--
-- The new application reads them from now on, and may write what is its own (rating, evaluate).
-- The rest it gets with the change "switch".

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('app.subtasks') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

CREATE SCHEMA app;
COMMENT ON SCHEMA app IS 'Users, their tasks, and the subtasks of these.';

CREATE TABLE app.users (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    mongo_id        text        NOT NULL UNIQUE DEFAULT to_jsonb(gen_random_uuid())::text,
    email           text,
    hashed_password text,
    fullname        text,
    roles           text[]      DEFAULT '{user}',
    is_active       boolean     DEFAULT true,
    created_at      timestamptz DEFAULT now(),
    updated_at      timestamptz DEFAULT now()
);
COMMENT ON TABLE app.users IS 'One row for each user.';
COMMENT ON COLUMN app.users.id IS
    'Of the user: follows from the document, or is random for a new one.';
COMMENT ON COLUMN app.users.mongo_id IS
    'The _id of the document, as canonical Extended JSON; for a new row a string of its own.';
COMMENT ON COLUMN app.users.email IS
    'For signing in; NULL and twice are possible, as in the documents.';
COMMENT ON COLUMN app.users.hashed_password IS 'As the old application has hashed it.';
COMMENT ON COLUMN app.users.fullname IS 'As the user writes it.';
COMMENT ON COLUMN app.users.roles IS 'What the user may do.';
COMMENT ON COLUMN app.users.is_active IS 'Whether the user may sign in.';
COMMENT ON COLUMN app.users.created_at IS 'When the account was made; NULL: nobody knows.';
COMMENT ON COLUMN app.users.updated_at IS 'When it was last written; NULL: nobody knows.';
CREATE INDEX users_email_idx ON app.users (email);
COMMENT ON INDEX app.users_email_idx IS 'Who signs in; not unique, as addresses are there twice.';

CREATE TABLE app.tasks (
    id                     uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    mongo_id               text        NOT NULL UNIQUE DEFAULT to_jsonb(gen_random_uuid())::text,
    task_name              text,
    username               text,
    tags                   jsonb       DEFAULT '[]',
    variables              jsonb       DEFAULT '{}',
    settings               jsonb       DEFAULT '{}',
    status                 text        DEFAULT 'pending',
    created_at             timestamptz DEFAULT now(),
    updated_at             timestamptz DEFAULT now(),
    total_images           integer     DEFAULT 0,
    all_subtasks_completed boolean     DEFAULT false,
    is_deleted             boolean     DEFAULT false,
    priority               integer     DEFAULT 1
);
COMMENT ON TABLE app.tasks IS 'One row for each task: a batch of images that a user asks for.';
COMMENT ON COLUMN app.tasks.id IS 'Of the task; subtasks refer to it.';
COMMENT ON COLUMN app.tasks.mongo_id IS
    'The _id of the document, as canonical Extended JSON; for a new row a string of its own.';
COMMENT ON COLUMN app.tasks.task_name IS 'As the user writes it.';
COMMENT ON COLUMN app.tasks.username IS
    'The e-mail address of the user whose it is; no foreign key, as nobody checked it.';
COMMENT ON COLUMN app.tasks.tags IS 'Words to find it by.';
COMMENT ON COLUMN app.tasks.variables IS 'What is varied, each with its values.';
COMMENT ON COLUMN app.tasks.settings IS 'What is the same for all of its images.';
COMMENT ON COLUMN app.tasks.status IS 'How far it is.';
COMMENT ON COLUMN app.tasks.created_at IS 'When it was asked for; NULL: nobody knows.';
COMMENT ON COLUMN app.tasks.updated_at IS 'When it was last written; NULL: nobody knows.';
COMMENT ON COLUMN app.tasks.total_images IS 'How many images it is to give.';
COMMENT ON COLUMN app.tasks.all_subtasks_completed IS 'Whether all of its subtasks are completed.';
COMMENT ON COLUMN app.tasks.is_deleted IS 'Whether the user has thrown it away.';
COMMENT ON COLUMN app.tasks.priority IS 'Who comes first: from 1, the least, to 10.';
CREATE INDEX tasks_username_idx ON app.tasks (username);
COMMENT ON INDEX app.tasks_username_idx IS 'A user''s tasks.';

CREATE TABLE app.subtasks (
    id                 uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    mongo_id           text        NOT NULL UNIQUE DEFAULT to_jsonb(gen_random_uuid())::text,
    parent_task_id     uuid,
    variable_indices   integer[]   DEFAULT '{NULL,NULL,NULL,NULL,NULL,NULL}',
    variable_types_map jsonb       DEFAULT '{}',
    type_to_variable   jsonb       DEFAULT '{}',
    status             text        DEFAULT 'pending',
    result             jsonb,
    error              text,
    retry_count        integer     DEFAULT 0,
    prompts            jsonb       DEFAULT '[]',
    ratio              text        DEFAULT '1:1',
    seed               bigint,
    use_polish         boolean     DEFAULT false,
    created_at         timestamptz DEFAULT now(),
    updated_at         timestamptz DEFAULT now(),
    rating             integer
        CONSTRAINT subtasks_rating_check CHECK (rating BETWEEN 1 AND 5),
    evaluate           text
);
COMMENT ON TABLE app.subtasks IS 'One row for each image of a task.';
COMMENT ON CONSTRAINT subtasks_rating_check ON app.subtasks IS 'Five stars.';
COMMENT ON COLUMN app.subtasks.id IS 'Of the subtask.';
COMMENT ON COLUMN app.subtasks.mongo_id IS
    'The _id of the document, as canonical Extended JSON; for a new row a string of its own.';
COMMENT ON COLUMN app.subtasks.parent_task_id IS
    'The task that it belongs to; no foreign key, so that orphans are found and not lost.';
COMMENT ON COLUMN app.subtasks.variable_indices IS
    'Which value of each of six variables it takes; NULL: the task has no such variable.';
COMMENT ON COLUMN app.subtasks.variable_types_map IS 'The type of each variable.';
COMMENT ON COLUMN app.subtasks.type_to_variable IS 'The variable of each type.';
COMMENT ON COLUMN app.subtasks.status IS 'How far it is.';
COMMENT ON COLUMN app.subtasks.result IS 'What came of it; NULL: nothing yet.';
COMMENT ON COLUMN app.subtasks.error IS 'Why it failed; NULL: it did not.';
COMMENT ON COLUMN app.subtasks.retry_count IS 'How often it was tried again.';
COMMENT ON COLUMN app.subtasks.prompts IS 'What the model was told.';
COMMENT ON COLUMN app.subtasks.ratio IS 'Width to height.';
COMMENT ON COLUMN app.subtasks.seed IS 'Of the random numbers; NULL: any.';
COMMENT ON COLUMN app.subtasks.use_polish IS 'Whether another model has polished the prompts.';
COMMENT ON COLUMN app.subtasks.created_at IS 'When it was made; NULL: nobody knows.';
COMMENT ON COLUMN app.subtasks.updated_at IS 'When it was last written; NULL: nobody knows.';
COMMENT ON COLUMN app.subtasks.rating IS
    'New: what the user thinks of it, from 1 to 5; NULL: has not said.';
COMMENT ON COLUMN app.subtasks.evaluate IS 'New: the same in words; NULL: has not said.';
CREATE INDEX subtasks_parent_task_id_idx ON app.subtasks (parent_task_id);
COMMENT ON INDEX app.subtasks_parent_task_id_idx IS 'The subtasks of a task.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app') THEN
        GRANT USAGE ON SCHEMA app TO new_app;
        GRANT SELECT ON app.users, app.tasks, app.subtasks TO new_app;
        GRANT UPDATE (rating, evaluate) ON app.subtasks TO new_app;
    END IF;
END;
$$;

COMMIT;
