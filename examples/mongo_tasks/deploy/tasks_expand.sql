-- Deploy mongo_tasks:tasks_expand to pg
-- requires: app_tables
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
-- requires: pgtandem:mongo_document
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What app.tasks should hold, as a view by key, and the comparison of the two. Nothing writes
-- yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_tasks;
COMMENT ON SCHEMA pgtandem_tasks IS
    'Rendered from the mapping "tasks": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_tasks.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_tasks.compared(text, text);
DROP VIEW IF EXISTS pgtandem_tasks.categories;
DROP VIEW IF EXISTS pgtandem_tasks.image;
CREATE VIEW pgtandem_tasks.image AS
SELECT source._id AS mongo_id,
       (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                               'uuid',
           'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id', '""')) END,
           (pgtandem.mongo_id_uuid(_id))))::uuid AS id,
       (CASE WHEN pgtandem.mongo_flaw(source.document -> 'task_name', 'text',
           'string') IS NULL THEN pgtandem.mongo_text(source.document -> 'task_name') END)::text
           AS task_name,
       (CASE WHEN pgtandem.mongo_flaw(source.document -> 'username', 'text',
           'string') IS NULL THEN pgtandem.mongo_text(source.document -> 'username') END)::text
           AS username,
       (CASE WHEN source.document -> 'tags' IS NULL THEN ('[]')
        ELSE nullif(pgtandem.mongo_json(source.document -> 'tags'), 'null') END)::jsonb AS tags,
       (CASE WHEN source.document -> 'variables' IS NULL THEN ('{}')
        ELSE nullif(pgtandem.mongo_json(source.document -> 'variables'), 'null') END)::jsonb
        AS variables,
       (CASE WHEN source.document -> 'settings' IS NULL THEN ('{}')
        ELSE nullif(pgtandem.mongo_json(source.document -> 'settings'), 'null') END)::jsonb
        AS settings,
       (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
        WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
           'string') IS NULL THEN pgtandem.mongo_text(source.document -> 'status') END)::text
           AS status,
       (CASE WHEN source.document -> 'created_at' IS NULL THEN (pgtandem.mongo_id_time(_id))
        WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
           'date') IS NULL
           THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz
           AS created_at,
       (CASE WHEN source.document -> 'updated_at' IS NULL
        THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
           pgtandem.mongo_id_time(_id))) WHEN pgtandem.mongo_flaw(source.document -> 'updated_at',
           'timestamptz', 'date') IS NULL
           THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
           AS updated_at,
       (CASE WHEN source.document -> 'total_images' IS NULL THEN (0)
        WHEN pgtandem.mongo_flaw(source.document -> 'total_images', 'integer',
           'number') IS NULL
           THEN pgtandem.mongo_integer(source.document -> 'total_images') END)::integer
           AS total_images,
       (CASE WHEN source.document -> 'all_subtasks_completed' IS NULL THEN (false)
        WHEN pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean',
           'boolean') IS NULL
           THEN pgtandem.mongo_boolean(source.document -> 'all_subtasks_completed') END)::boolean
           AS all_subtasks_completed,
       (CASE WHEN source.document -> 'is_deleted' IS NULL THEN (false)
        WHEN pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean',
           'boolean') IS NULL
           THEN pgtandem.mongo_boolean(source.document -> 'is_deleted') END)::boolean AS is_deleted,
       (CASE WHEN source.document -> 'priority' IS NULL THEN (1)
        WHEN pgtandem.mongo_flaw(source.document -> 'priority', 'integer',
           'number') IS NULL
           THEN pgtandem.mongo_integer(source.document -> 'priority') END)::integer AS priority
FROM staging.tasks AS source
WHERE (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'), 'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'task_name', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'username', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'total_images', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'priority', 'integer', 'number')) IS NULL);
COMMENT ON VIEW pgtandem_tasks.image IS
    'What app.tasks should hold, by key.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_tasks.compared(
    p_low  text DEFAULT NULL,
    p_high text DEFAULT NULL
) RETURNS TABLE (
    key       jsonb,
    in_source boolean,
    in_target boolean,
    changed   boolean,
    columns   text[],
    source    jsonb,
    target    jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT jsonb_build_array(coalesce(t.mongo_id, i.mongo_id)),
           i.mongo_id IS NOT NULL OR t.mongo_id IS NULL,
           t.mongo_id IS NOT NULL,
           i.mongo_id IS NOT NULL AND t.mongo_id IS NOT NULL
               AND (i.id IS DISTINCT FROM t.id
                    OR i.task_name IS DISTINCT FROM t.task_name
                    OR i.username IS DISTINCT FROM t.username
                    OR i.tags IS DISTINCT FROM t.tags
                    OR i.variables IS DISTINCT FROM t.variables
                    OR i.settings IS DISTINCT FROM t.settings
                    OR i.status IS DISTINCT FROM t.status
                    OR i.created_at IS DISTINCT FROM t.created_at
                    OR i.updated_at IS DISTINCT FROM t.updated_at
                    OR i.total_images IS DISTINCT FROM t.total_images
                    OR i.all_subtasks_completed IS DISTINCT FROM t.all_subtasks_completed
                    OR i.is_deleted IS DISTINCT FROM t.is_deleted
                    OR i.priority IS DISTINCT FROM t.priority),
           array_remove(ARRAY[CASE WHEN i.id IS DISTINCT FROM t.id THEN 'id' END,
                              CASE WHEN i.task_name IS DISTINCT FROM t.task_name
                                  THEN 'task_name' END,
                              CASE WHEN i.username IS DISTINCT FROM t.username THEN 'username' END,
                              CASE WHEN i.tags IS DISTINCT FROM t.tags THEN 'tags' END,
                              CASE WHEN i.variables IS DISTINCT FROM t.variables
                                  THEN 'variables' END,
                              CASE WHEN i.settings IS DISTINCT FROM t.settings THEN 'settings' END,
                              CASE WHEN i.status IS DISTINCT FROM t.status THEN 'status' END,
                              CASE WHEN i.created_at IS DISTINCT FROM t.created_at
                                  THEN 'created_at' END,
                              CASE WHEN i.updated_at IS DISTINCT FROM t.updated_at
                                  THEN 'updated_at' END,
                              CASE WHEN i.total_images IS DISTINCT FROM t.total_images
                                  THEN 'total_images' END,
                              CASE WHEN i.all_subtasks_completed
                                  IS DISTINCT FROM t.all_subtasks_completed
                                  THEN 'all_subtasks_completed' END,
                              CASE WHEN i.is_deleted IS DISTINCT FROM t.is_deleted
                                  THEN 'is_deleted' END,
                              CASE WHEN i.priority IS DISTINCT FROM t.priority THEN 'priority' END],
                              NULL),
           jsonb_build_object('mongo_id', i.mongo_id::text, 'id', i.id::text,
                              'task_name', i.task_name::text, 'username', i.username::text,
                              'tags', i.tags::text, 'variables', i.variables::text,
                              'settings', i.settings::text, 'status', i.status::text,
                              'created_at', i.created_at::text, 'updated_at', i.updated_at::text,
                              'total_images', i.total_images::text,
                              'all_subtasks_completed', i.all_subtasks_completed::text,
                              'is_deleted', i.is_deleted::text, 'priority', i.priority::text),
           jsonb_build_object('mongo_id', t.mongo_id::text, 'id', t.id::text,
                              'task_name', t.task_name::text, 'username', t.username::text,
                              'tags', t.tags::text, 'variables', t.variables::text,
                              'settings', t.settings::text, 'status', t.status::text,
                              'created_at', t.created_at::text, 'updated_at', t.updated_at::text,
                              'total_images', t.total_images::text,
                              'all_subtasks_completed', t.all_subtasks_completed::text,
                              'is_deleted', t.is_deleted::text, 'priority', t.priority::text)
    FROM (SELECT mongo_id, id, task_name, username, tags, variables, settings, status, created_at,
          updated_at, total_images, all_subtasks_completed, is_deleted, priority
          FROM pgtandem_tasks.image
          WHERE (p_low IS NULL OR mongo_id >= p_low)
            AND (p_high IS NULL OR mongo_id < p_high OR (p_low IS NULL AND mongo_id IS NULL))) AS i
    FULL JOIN (SELECT mongo_id, id, task_name, username, tags, variables, settings, status,
               created_at, updated_at, total_images, all_subtasks_completed, is_deleted, priority
               FROM app.tasks
               WHERE (p_low IS NULL OR mongo_id >= p_low)
                 AND (p_high IS NULL OR mongo_id < p_high OR (p_low IS NULL AND mongo_id IS NULL)))
                     AS t
      ON t.mongo_id = i.mongo_id;
END;
COMMENT ON FUNCTION pgtandem_tasks.compared(text, text) IS
    'Every key of image and target in a range of mongo_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Source: the mapping "tasks".';

CREATE FUNCTION pgtandem_tasks.compared_keys(p_keys jsonb) RETURNS TABLE (
    key       jsonb,
    in_source boolean,
    in_target boolean,
    changed   boolean,
    columns   text[],
    source    jsonb,
    target    jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT k.key,
           i.mongo_id IS NOT NULL,
           t.mongo_id IS NOT NULL,
           i.mongo_id IS NOT NULL AND t.mongo_id IS NOT NULL
               AND (i.id IS DISTINCT FROM t.id
                    OR i.task_name IS DISTINCT FROM t.task_name
                    OR i.username IS DISTINCT FROM t.username
                    OR i.tags IS DISTINCT FROM t.tags
                    OR i.variables IS DISTINCT FROM t.variables
                    OR i.settings IS DISTINCT FROM t.settings
                    OR i.status IS DISTINCT FROM t.status
                    OR i.created_at IS DISTINCT FROM t.created_at
                    OR i.updated_at IS DISTINCT FROM t.updated_at
                    OR i.total_images IS DISTINCT FROM t.total_images
                    OR i.all_subtasks_completed IS DISTINCT FROM t.all_subtasks_completed
                    OR i.is_deleted IS DISTINCT FROM t.is_deleted
                    OR i.priority IS DISTINCT FROM t.priority),
           array_remove(ARRAY[CASE WHEN i.id IS DISTINCT FROM t.id THEN 'id' END,
                              CASE WHEN i.task_name IS DISTINCT FROM t.task_name
                                  THEN 'task_name' END,
                              CASE WHEN i.username IS DISTINCT FROM t.username THEN 'username' END,
                              CASE WHEN i.tags IS DISTINCT FROM t.tags THEN 'tags' END,
                              CASE WHEN i.variables IS DISTINCT FROM t.variables
                                  THEN 'variables' END,
                              CASE WHEN i.settings IS DISTINCT FROM t.settings THEN 'settings' END,
                              CASE WHEN i.status IS DISTINCT FROM t.status THEN 'status' END,
                              CASE WHEN i.created_at IS DISTINCT FROM t.created_at
                                  THEN 'created_at' END,
                              CASE WHEN i.updated_at IS DISTINCT FROM t.updated_at
                                  THEN 'updated_at' END,
                              CASE WHEN i.total_images IS DISTINCT FROM t.total_images
                                  THEN 'total_images' END,
                              CASE WHEN i.all_subtasks_completed
                                  IS DISTINCT FROM t.all_subtasks_completed
                                  THEN 'all_subtasks_completed' END,
                              CASE WHEN i.is_deleted IS DISTINCT FROM t.is_deleted
                                  THEN 'is_deleted' END,
                              CASE WHEN i.priority IS DISTINCT FROM t.priority THEN 'priority' END],
                              NULL),
           jsonb_build_object('mongo_id', i.mongo_id::text, 'id', i.id::text,
                              'task_name', i.task_name::text, 'username', i.username::text,
                              'tags', i.tags::text, 'variables', i.variables::text,
                              'settings', i.settings::text, 'status', i.status::text,
                              'created_at', i.created_at::text, 'updated_at', i.updated_at::text,
                              'total_images', i.total_images::text,
                              'all_subtasks_completed', i.all_subtasks_completed::text,
                              'is_deleted', i.is_deleted::text, 'priority', i.priority::text),
           jsonb_build_object('mongo_id', t.mongo_id::text, 'id', t.id::text,
                              'task_name', t.task_name::text, 'username', t.username::text,
                              'tags', t.tags::text, 'variables', t.variables::text,
                              'settings', t.settings::text, 'status', t.status::text,
                              'created_at', t.created_at::text, 'updated_at', t.updated_at::text,
                              'total_images', t.total_images::text,
                              'all_subtasks_completed', t.all_subtasks_completed::text,
                              'is_deleted', t.is_deleted::text, 'priority', t.priority::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    LEFT JOIN pgtandem_tasks.image AS i
      ON i.mongo_id = (k.key ->> 0)::text
    LEFT JOIN app.tasks AS t
      ON t.mongo_id = (k.key ->> 0)::text;
END;
COMMENT ON FUNCTION pgtandem_tasks.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_tasks.measure_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint,
    p_strategy    text
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $copy$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format(CASE p_strategy
        WHEN 'overwrite' THEN $overwrite$
            -- The lock makes the value read the value current at the write.
            WITH image AS MATERIALIZED (
            SELECT source._id AS mongo_id,
                   (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                           'uuid',
                       'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                       '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid AS id,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'task_name', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'task_name') END)::text
                       AS task_name,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'username', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'username') END)::text
                       AS username,
                   (CASE WHEN source.document -> 'tags' IS NULL THEN ('[]')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'tags'), 'null') END)::jsonb
                    AS tags,
                   (CASE WHEN source.document -> 'variables' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'variables'), 'null')
                    END)::jsonb AS variables,
                   (CASE WHEN source.document -> 'settings' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'settings'), 'null')
                    END)::jsonb AS settings,
                   (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
                    WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'status') END)::text AS status,
                   (CASE WHEN source.document -> 'created_at' IS NULL
                       THEN (pgtandem.mongo_id_time(_id))
                       WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz
                       AS created_at,
                   (CASE WHEN source.document -> 'updated_at' IS NULL
                    THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
                       pgtandem.mongo_id_time(_id)))
                       WHEN pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
                       AS updated_at,
                   (CASE WHEN source.document -> 'total_images' IS NULL THEN (0)
                    WHEN pgtandem.mongo_flaw(source.document -> 'total_images', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'total_images') END)::integer
                       AS total_images,
                   (CASE WHEN source.document -> 'all_subtasks_completed' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'all_subtasks_completed')
                       END)::boolean AS all_subtasks_completed,
                   (CASE WHEN source.document -> 'is_deleted' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'is_deleted') END)::boolean
                       AS is_deleted,
                   (CASE WHEN source.document -> 'priority' IS NULL THEN (1)
                    WHEN pgtandem.mongo_flaw(source.document -> 'priority', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'priority') END)::integer
                       AS priority
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'task_name', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'username', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'total_images', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'priority', 'integer', 'number')) IS NULL)
            FOR NO KEY UPDATE OF source)
            INSERT INTO pgtandem_tasks.measured_target AS t
                (mongo_id, id, task_name, username, tags, variables, settings, status, created_at,
                 updated_at, total_images, all_subtasks_completed, is_deleted, priority)
            OVERRIDING SYSTEM VALUE
            SELECT i.mongo_id, i.id, i.task_name, i.username, i.tags, i.variables, i.settings,
                i.status, i.created_at, i.updated_at, i.total_images, i.all_subtasks_completed,
                i.is_deleted, i.priority
            FROM image AS i
            ORDER BY i.mongo_id
            ON CONFLICT (mongo_id) DO UPDATE
                SET id = excluded.id,
                    task_name = excluded.task_name,
                    username = excluded.username,
                    tags = excluded.tags,
                    variables = excluded.variables,
                    settings = excluded.settings,
                    status = excluded.status,
                    created_at = excluded.created_at,
                    updated_at = excluded.updated_at,
                    total_images = excluded.total_images,
                    all_subtasks_completed = excluded.all_subtasks_completed,
                    is_deleted = excluded.is_deleted,
                    priority = excluded.priority
                WHERE t.id IS DISTINCT FROM excluded.id
                   OR t.task_name IS DISTINCT FROM excluded.task_name
                   OR t.username IS DISTINCT FROM excluded.username
                   OR t.tags IS DISTINCT FROM excluded.tags
                   OR t.variables IS DISTINCT FROM excluded.variables
                   OR t.settings IS DISTINCT FROM excluded.settings
                   OR t.status IS DISTINCT FROM excluded.status
                   OR t.created_at IS DISTINCT FROM excluded.created_at
                   OR t.updated_at IS DISTINCT FROM excluded.updated_at
                   OR t.total_images IS DISTINCT FROM excluded.total_images
                   OR t.all_subtasks_completed IS DISTINCT FROM excluded.all_subtasks_completed
                   OR t.is_deleted IS DISTINCT FROM excluded.is_deleted
                   OR t.priority IS DISTINCT FROM excluded.priority
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO pgtandem_tasks.measured_target
                (mongo_id, id, task_name, username, tags, variables, settings, status, created_at,
                 updated_at, total_images, all_subtasks_completed, is_deleted, priority)
            OVERRIDING SYSTEM VALUE
            SELECT source._id,
                   (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                           'uuid',
                       'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                       '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'task_name', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'task_name') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'username', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'username') END)::text,
                   (CASE WHEN source.document -> 'tags' IS NULL THEN ('[]')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'tags'), 'null') END)::jsonb,
                   (CASE WHEN source.document -> 'variables' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'variables'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'settings' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'settings'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
                    WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'status') END)::text,
                   (CASE WHEN source.document -> 'created_at' IS NULL
                       THEN (pgtandem.mongo_id_time(_id))
                       WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz,
                   (CASE WHEN source.document -> 'updated_at' IS NULL
                    THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
                       pgtandem.mongo_id_time(_id)))
                       WHEN pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz,
                   (CASE WHEN source.document -> 'total_images' IS NULL THEN (0)
                    WHEN pgtandem.mongo_flaw(source.document -> 'total_images', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'total_images') END)::integer,
                   (CASE WHEN source.document -> 'all_subtasks_completed' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'all_subtasks_completed')
                       END)::boolean,
                   (CASE WHEN source.document -> 'is_deleted' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'is_deleted') END)::boolean,
                   (CASE WHEN source.document -> 'priority' IS NULL THEN (1)
                    WHEN pgtandem.mongo_flaw(source.document -> 'priority', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'priority') END)::integer
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'task_name', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'username', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'total_images', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'priority', 'integer', 'number')) IS NULL)
            ORDER BY source._id
        $insert$
        ELSE $skip$
            INSERT INTO pgtandem_tasks.measured_target
                (mongo_id, id, task_name, username, tags, variables, settings, status, created_at,
                 updated_at, total_images, all_subtasks_completed, is_deleted, priority)
            OVERRIDING SYSTEM VALUE
            SELECT source._id,
                   (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                           'uuid',
                       'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                       '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'task_name', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'task_name') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'username', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'username') END)::text,
                   (CASE WHEN source.document -> 'tags' IS NULL THEN ('[]')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'tags'), 'null') END)::jsonb,
                   (CASE WHEN source.document -> 'variables' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'variables'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'settings' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'settings'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
                    WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'status') END)::text,
                   (CASE WHEN source.document -> 'created_at' IS NULL
                       THEN (pgtandem.mongo_id_time(_id))
                       WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz,
                   (CASE WHEN source.document -> 'updated_at' IS NULL
                    THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
                       pgtandem.mongo_id_time(_id)))
                       WHEN pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz,
                   (CASE WHEN source.document -> 'total_images' IS NULL THEN (0)
                    WHEN pgtandem.mongo_flaw(source.document -> 'total_images', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'total_images') END)::integer,
                   (CASE WHEN source.document -> 'all_subtasks_completed' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'all_subtasks_completed')
                       END)::boolean,
                   (CASE WHEN source.document -> 'is_deleted' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'is_deleted') END)::boolean,
                   (CASE WHEN source.document -> 'priority' IS NULL THEN (1)
                    WHEN pgtandem.mongo_flaw(source.document -> 'priority', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'priority') END)::integer
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'task_name', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'username', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'total_images', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'priority', 'integer', 'number')) IS NULL)
              AND NOT EXISTS (SELECT FROM pgtandem_tasks.measured_target AS t
                              WHERE t.mongo_id = source._id)
            ORDER BY source._id
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (mongo_id) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_tasks.measure_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_tasks.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

-- Not bound to what it reads: a table or a column may go without it.
CREATE OR REPLACE FUNCTION pgtandem_tasks.checked(p_name text DEFAULT NULL)
RETURNS TABLE (name text, found jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $checked$
    SELECT 'user_missing', to_jsonb(q) FROM (
        SELECT t.mongo_id, t.username FROM app.tasks AS t WHERE NOT EXISTS (SELECT FROM app.users
        AS u WHERE u.email = t.username)
    ) AS q
    WHERE p_name IS NULL OR p_name = 'user_missing'
    UNION ALL
    SELECT 'status_unknown', to_jsonb(q) FROM (
        SELECT mongo_id, status FROM app.tasks WHERE status IS NULL OR status NOT IN ('pending',
        'processing', 'completed', 'failed', 'cancelled')
    ) AS q
    WHERE p_name IS NULL OR p_name = 'status_unknown'
    UNION ALL
    SELECT 'out_of_range', to_jsonb(q) FROM (
        SELECT mongo_id, total_images, priority FROM app.tasks WHERE total_images < 0
            OR priority NOT BETWEEN 1 AND 10
    ) AS q
    WHERE p_name IS NULL OR p_name = 'out_of_range'
    UNION ALL
    SELECT 'not_completed', to_jsonb(q) FROM (
        SELECT t.mongo_id, count(*) AS open_subtasks FROM app.tasks AS t JOIN app.subtasks AS s
            ON s.parent_task_id = t.id WHERE t.all_subtasks_completed
            AND s.status <> 'completed' GROUP BY t.mongo_id
    ) AS q
    WHERE p_name IS NULL OR p_name = 'not_completed'
    UNION ALL
    SELECT 'times_reversed', to_jsonb(q) FROM (
        SELECT mongo_id, created_at, updated_at FROM app.tasks WHERE updated_at < created_at
    ) AS q
    WHERE p_name IS NULL OR p_name = 'times_reversed'
    UNION ALL
    SELECT 'unfit_documents', to_jsonb(q) FROM (
        SELECT source._id AS _id, f.path, f.value, f.flaw
        FROM staging.tasks AS source,
             LATERAL (VALUES
               ('id', nullif(source.document -> 'id', '""'),
                pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'), 'uuid', 'string')),
               ('task_name', source.document -> 'task_name',
                pgtandem.mongo_flaw(source.document -> 'task_name', 'text', 'string')),
               ('username', source.document -> 'username',
                pgtandem.mongo_flaw(source.document -> 'username', 'text', 'string')),
               ('status', source.document -> 'status',
                pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string')),
               ('created_at', source.document -> 'created_at',
                pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date')),
               ('updated_at', source.document -> 'updated_at',
                pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')),
               ('total_images', source.document -> 'total_images',
                pgtandem.mongo_flaw(source.document -> 'total_images', 'integer', 'number')),
               ('all_subtasks_completed', source.document -> 'all_subtasks_completed',
                pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean',
                                    'boolean')),
               ('is_deleted', source.document -> 'is_deleted',
                pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean', 'boolean')),
               ('priority', source.document -> 'priority',
                pgtandem.mongo_flaw(source.document -> 'priority', 'integer', 'number'))
             ) AS f (path, value, flaw)
        WHERE f.flaw IS NOT NULL
    ) AS q
    WHERE p_name IS NULL OR p_name = 'unfit_documents'
    UNION ALL
    SELECT 'unread_fields', to_jsonb(q) FROM (
        SELECT u.path, count(*) AS documents, min(source._id) AS example
        FROM staging.tasks AS source,
             pgtandem.mongo_unread(source.document,
               '{"_id": true, "id": true, "task_name": true, "username": true, "tags": true, '
               '"variables": true, "settings": true, "status": true, "created_at": true, '
               '"updated_at": true, "total_images": true, "all_subtasks_completed": true, '
               '"is_deleted": true, "priority": true, "__v": true}') AS u (path)
        GROUP BY u.path ORDER BY u.path
    ) AS q
    WHERE p_name IS NULL OR p_name = 'unread_fields'
$checked$;
COMMENT ON FUNCTION pgtandem_tasks.checked(text) IS
    'The checks of the mapping, or one of them: a row for each thing that is wrong. They are '
    'user_missing, status_unknown, out_of_range, not_completed, times_reversed, unfit_documents, '
    'unread_fields.';

DO $do$
BEGIN
    PERFORM pgtandem.require_old_view('app.tasks_documents', 'tasks');
END;
$do$;
CREATE OR REPLACE VIEW app.tasks_documents AS
SELECT t.mongo_id AS _id,
       jsonb_build_object(
           '_id', pgtandem.mongo_json(t.mongo_id::jsonb),
           'id', t.id,
           'task_name', t.task_name,
           'username', t.username,
           'tags', t.tags,
           'variables', t.variables,
           'settings', t.settings,
           'status', t.status,
           'created_at', pgtandem.mongo_date(t.created_at),
           'updated_at', pgtandem.mongo_date(t.updated_at),
           'total_images', t.total_images,
           'all_subtasks_completed', t.all_subtasks_completed,
           'is_deleted', t.is_deleted,
           'priority', t.priority
       ) AS document
FROM app.tasks AS t;
COMMENT ON VIEW app.tasks_documents IS
    'The rows of app.tasks in the shape of the documents that they come from, as relaxed '
    'Extended JSON. Rendered from the mapping "tasks".';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'tasks',
        'cf1f779454bd3363d2d21ab93b69151579ab7d12e67fa6a499ffda2904ef8dce',
        'staging.tasks',
        'app.tasks',
        ARRAY['mongo_id']::text[],
        '{
  "sync": {
    "mode": "record",
    "ways": "forward",
    "lock_timeout": "500ms",
    "truncate": "refuse"
  },
  "backfill": {
    "chunk_time": "200ms",
    "max_lag": "64MB",
    "max_slot": "4GB",
    "undo_limit": "10GB",
    "undo": false
  },
  "gate": {
    "signals": {},
    "sync_failure_percent": {},
    "differences_per_hour": {},
    "consistency_percent": {
      "roll_back_below": 99.0
    }
  },
  "contract": {
    "archive": "pgtandem_archive",
    "max_age": "1h",
    "max_old_reads": 100,
    "old_roles": [],
    "generated": {}
  },
  "checks": [
    "user_missing",
    "status_unknown",
    "out_of_range",
    "not_completed",
    "times_reversed",
    "unfit_documents",
    "unread_fields"
  ]
}',
        '0.1.0'
    );
END;
$do$;

COMMIT;
