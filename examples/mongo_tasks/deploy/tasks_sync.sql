-- Deploy mongo_tasks:tasks_sync to pg
-- requires: tasks_expand
-- requires: pgtandem:drain
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of staging.tasks reaches app.tasks. Opens the copy: what was there before
-- is still to be backfilled.
--
-- Locks: both tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers wait,
-- readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"staging.tasks", "app.tasks"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('tasks',
        'cf1f779454bd3363d2d21ab93b69151579ab7d12e67fa6a499ffda2904ef8dce');
    PERFORM pgtandem.require_unique('app.tasks', ARRAY['mongo_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_tasks.image', 'staging.tasks',
                                  ARRAY['_id', 'document']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_tasks.image', '{"staging.tasks"}');
    PERFORM pgtandem.require_immediate('app.tasks');
END;
$do$;

CREATE OR REPLACE FUNCTION pgtandem_tasks.copy_is_open() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- What an old snapshot does not see counts as open: a needless entry in the queue harms nobody.
    SELECT NOT EXISTS (SELECT FROM pgtandem.mapping
                       WHERE name = 'tasks' AND copy_state = 'complete');
$$;
COMMENT ON FUNCTION pgtandem_tasks.copy_is_open() IS
    'Whether a chunk may be in flight, so that whatever takes an image away must queue its key.';

CREATE OR REPLACE FUNCTION pgtandem_tasks.was_contracted() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- True only for a snapshot that is older than a revert of contract.
    SELECT EXISTS (SELECT FROM pgtandem.mapping WHERE name = 'tasks' AND phase = 'contract');
$$;
REVOKE ALL ON FUNCTION pgtandem_tasks.was_contracted() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_tasks.was_contracted() IS
    'Whether the caller''s snapshot still shows the mapping contracted: it does not see the '
    'source.';

-- One key of the queue: hold the target's row, then read the image in a statement of its own. Never
-- the other way round: a re-insert of the key would be lost.
CREATE OR REPLACE FUNCTION pgtandem_tasks.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 app.tasks.mongo_id%TYPE := (p_key ->> 0)::text;
    v_result text;
BEGIN
    FOR v_try IN 1..20 LOOP
        PERFORM FROM app.tasks AS t
        WHERE t.mongo_id = v_key1
        FOR UPDATE;
        IF FOUND THEN
            UPDATE app.tasks AS t
            SET id = i.id,
                task_name = i.task_name,
                username = i.username,
                tags = i.tags,
                variables = i.variables,
                settings = i.settings,
                status = i.status,
                created_at = i.created_at,
                updated_at = i.updated_at,
                total_images = i.total_images,
                all_subtasks_completed = i.all_subtasks_completed,
                is_deleted = i.is_deleted,
                priority = i.priority
            FROM pgtandem_tasks.image AS i
            WHERE t.mongo_id = v_key1 AND i.mongo_id = v_key1
              AND (t.id IS DISTINCT FROM i.id
                   OR t.task_name IS DISTINCT FROM i.task_name
                   OR t.username IS DISTINCT FROM i.username
                   OR t.tags IS DISTINCT FROM i.tags
                   OR t.variables IS DISTINCT FROM i.variables
                   OR t.settings IS DISTINCT FROM i.settings
                   OR t.status IS DISTINCT FROM i.status
                   OR t.created_at IS DISTINCT FROM i.created_at
                   OR t.updated_at IS DISTINCT FROM i.updated_at
                   OR t.total_images IS DISTINCT FROM i.total_images
                   OR t.all_subtasks_completed IS DISTINCT FROM i.all_subtasks_completed
                   OR t.is_deleted IS DISTINCT FROM i.is_deleted
                   OR t.priority IS DISTINCT FROM i.priority);
            IF FOUND THEN
                v_result := 'updated';
                EXIT;
            END IF;
            DELETE FROM app.tasks AS t
            WHERE t.mongo_id = v_key1
              AND NOT EXISTS (SELECT FROM pgtandem_tasks.image AS i WHERE i.mongo_id = v_key1);
            RETURN CASE WHEN FOUND THEN 'deleted' ELSE 'equal' END;
        END IF;
        INSERT INTO app.tasks AS t
            (mongo_id, id, task_name, username, tags, variables, settings, status, created_at,
             updated_at, total_images, all_subtasks_completed, is_deleted, priority)
        OVERRIDING SYSTEM VALUE
        SELECT i.mongo_id, i.id, i.task_name, i.username, i.tags, i.variables, i.settings, i.status,
            i.created_at, i.updated_at, i.total_images, i.all_subtasks_completed, i.is_deleted,
            i.priority
        FROM pgtandem_tasks.image AS i
        WHERE i.mongo_id = v_key1
        ON CONFLICT (mongo_id) DO NOTHING;
        IF FOUND THEN
            v_result := 'inserted';
            EXIT;
        END IF;
        PERFORM FROM pgtandem_tasks.image AS i WHERE i.mongo_id = v_key1;
        IF NOT FOUND THEN
            RETURN 'equal';
        END IF;
        -- Somebody inserted the row between our two statements: hold it, and look again.
    END LOOP;
    IF v_result IS NULL OR EXISTS (
           SELECT FROM app.tasks AS t, pgtandem_tasks.image AS i
           WHERE t.mongo_id = v_key1 AND i.mongo_id = v_key1
             AND (t.id IS DISTINCT FROM i.id
                  OR t.task_name IS DISTINCT FROM i.task_name
                  OR t.username IS DISTINCT FROM i.username
                  OR t.tags IS DISTINCT FROM i.tags
                  OR t.variables IS DISTINCT FROM i.variables
                  OR t.settings IS DISTINCT FROM i.settings
                  OR t.status IS DISTINCT FROM i.status
                  OR t.created_at IS DISTINCT FROM i.created_at
                  OR t.updated_at IS DISTINCT FROM i.updated_at
                  OR t.total_images IS DISTINCT FROM i.total_images
                  OR t.all_subtasks_completed IS DISTINCT FROM i.all_subtasks_completed
                  OR t.is_deleted IS DISTINCT FROM i.is_deleted
                  OR t.priority IS DISTINCT FROM i.priority)) THEN
        RAISE EXCEPTION 'the target % does not keep the image of key %', 'app.tasks', p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the target really stores.';
    END IF;
    RETURN v_result;
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_tasks.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_tasks.settle(jsonb) IS
    'Makes the target hold the image of one key: inserted, updated, deleted or equal. TD010. '
    'Called by pgtandem._settle, which marks the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_tasks.chunk_keys(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $chunk_keys$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT jsonb_build_array(source._id)
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
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_tasks.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

CREATE OR REPLACE FUNCTION pgtandem_tasks.queue_extra() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $queue_extra$
    INSERT INTO pgtandem.recheck (mapping, key, reason)
    SELECT 'tasks', jsonb_build_array(t.mongo_id), 'gone'
    FROM app.tasks AS t
    WHERE NOT EXISTS (SELECT FROM pgtandem_tasks.image AS i
                      WHERE i.mongo_id = t.mongo_id);
$queue_extra$;
REVOKE ALL ON FUNCTION pgtandem_tasks.queue_extra() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_tasks.queue_extra() IS
    'Queues the keys of the target that have no image. Called by pgtandem._sweep, once a copy over '
    'a target that had rows.';

-- Rows go in sorted by the key of the target, whose index then grows in order.
CREATE OR REPLACE FUNCTION pgtandem_tasks.copy_chunk(
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
            INSERT INTO app.tasks AS t
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
            INSERT INTO app.tasks
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
            INSERT INTO app.tasks
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
              AND NOT EXISTS (SELECT FROM app.tasks AS t
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
REVOKE ALL ON FUNCTION pgtandem_tasks.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_tasks.copy_chunk(regclass, bigint, bigint, text) IS
    'Copies a range of blocks; returns the rows written. Strategies: insert (none is there), skip '
    '(those there are right), ignore (likewise, with writers at work), overwrite (lock and '
    'replace). Called by pgtandem._copy_chunk, which marks the write as ours.';

-- A write of the source: bring its image to the target.
CREATE OR REPLACE FUNCTION pgtandem_tasks.sync_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $forward$
#variable_conflict use_column
DECLARE
    v_old      ALIAS FOR old;
    v_new      ALIAS FOR new;
    v_kept     boolean;
    v_was      boolean;  -- in the filter, NULL where there is none
    v_found    boolean;
    v_sqlstate text;
    v_message  text;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD._id IS DISTINCT FROM NEW._id
                                 OR OLD.document IS DISTINCT FROM NEW.document) THEN
        -- Nothing that is mapped. The trigger pgtandem_tasks_moved is for rows that change block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        -- pgtandem_tasks_update brings it over; but what the way back wrote is brought by nobody,
        -- and a copy that overwrites has to see it where it is now.
        IF current_setting('pgtandem_tasks.depth', true) = (pg_trigger_depth() - 1)::text
           AND (v_old.ctid::text::point)[0] <> (v_new.ctid::text::point)[0] THEN
            PERFORM pgtandem.queue('tasks', jsonb_build_array(v_new._id), 'copy');
        END IF;
        RETURN NULL;
    END IF;

    -- One look for what is rare: PL/pgSQL pays for each expression anew in each transaction.
    IF current_setting('pgtandem_tasks.state', true) <> '' OR pg_trigger_depth() > 1 THEN
        IF current_setting('pgtandem_tasks.state', true) = 'queue' THEN
            -- This transaction has waited for the target once; it does not wait again.
            PERFORM pgtandem._sync_failed('tasks',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old._id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new._id) END,
                '55P03', 'queued: an earlier write of the transaction had to give way');
            RETURN NULL;
        END IF;
        -- Triggers of the application that write this table again run between the rows of a
        -- statement. Where that has happened, NEW may be older than the row: read the row.
        IF current_setting('pgtandem_tasks.state', true) = 'nested' AND TG_OP <> 'DELETE' THEN
            SELECT s._id, s.document
            INTO v_new._id, v_new.document
            FROM staging.tasks AS s
            WHERE s._id = v_new._id;
            IF NOT FOUND THEN
                IF TG_OP = 'UPDATE' THEN
                    -- What took it from its new key did not know of its old one.
                    PERFORM pgtandem.queue('tasks', jsonb_build_array(v_old._id), 'gone');
                END IF;
                RETURN NULL;
            END IF;
        ELSIF pg_trigger_depth() > 1 THEN
            PERFORM set_config('pgtandem_tasks.state', 'nested', true);
        END IF;
    END IF;

    BEGIN
        IF TG_OP <> 'INSERT' THEN
            SELECT (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                 'uuid', 'string'),
        pgtandem.mongo_flaw(source.document -> 'task_name', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'username', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
        pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date'),
        pgtandem.mongo_flaw(source.document -> 'total_images', 'integer', 'number'),
        pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed', 'boolean', 'boolean'),
        pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean', 'boolean'),
        pgtandem.mongo_flaw(source.document -> 'priority', 'integer',
                            'number')) IS NULL) IS TRUE INTO v_was FROM (SELECT v_old.*) AS source;
        END IF;
        IF TG_OP = 'DELETE' THEN
            DELETE FROM app.tasks AS t
            WHERE t.mongo_id = v_old._id
              AND NOT EXISTS (SELECT FROM pgtandem_tasks.image AS i WHERE i.mongo_id = v_old._id);
            IF v_was IS NOT false AND (NOT FOUND OR pgtandem_tasks.copy_is_open()
                          OR EXISTS (SELECT FROM pgtandem_tasks.image AS i
                                     WHERE i.mongo_id = v_old._id))
               AND NOT pgtandem._cascades('app.tasks', ARRAY['mongo_id']::text[],
                                          'staging.tasks', ARRAY['_id']::text[]) THEN
                -- A chunk in flight may still put it back, or, where the source has no unique key,
                -- another row have taken its place just now.
                PERFORM pgtandem.queue('tasks', jsonb_build_array(v_old._id), 'gone');
            END IF;
        ELSE
            IF TG_OP = 'UPDATE' AND (v_old._id IS DISTINCT FROM v_new._id) THEN
                -- Keep what the new application owns of the row, unless the new key is taken.
                UPDATE app.tasks AS t
                SET mongo_id = v_new._id
                WHERE t.mongo_id = v_old._id
                  AND NOT EXISTS (SELECT FROM app.tasks AS o WHERE o.mongo_id = v_new._id)
                  AND NOT EXISTS (SELECT FROM pgtandem_tasks.image AS i
                                  WHERE i.mongo_id = v_old._id);
                v_found := FOUND;
                IF NOT v_found THEN
                    DELETE FROM app.tasks AS t
                    WHERE t.mongo_id = v_old._id
                      AND NOT EXISTS (SELECT FROM pgtandem_tasks.image AS i
                                      WHERE i.mongo_id = v_old._id);
                    v_found := FOUND;
                END IF;
                IF v_was IS NOT false AND (NOT v_found OR pgtandem_tasks.copy_is_open()
                              OR EXISTS (SELECT FROM pgtandem_tasks.image AS i
                                         WHERE i.mongo_id = v_old._id)) THEN
                    PERFORM pgtandem.queue('tasks', jsonb_build_array(v_old._id), 'gone');
                    PERFORM pgtandem.queue('tasks', jsonb_build_array(v_new._id), 'gone');
                END IF;
            END IF;
            INSERT INTO app.tasks AS t
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
            FROM (SELECT v_new.*) AS source
            WHERE (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
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
            RETURNING t.mongo_id IS NOT DISTINCT FROM v_new._id
                  AND t.id IS NOT DISTINCT FROM (SELECT (coalesce(CASE
                      WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                               'uuid',
                      'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                      '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid FROM (SELECT v_new.*)
                      AS source)
                  AND t.task_name IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN pgtandem.mongo_flaw(source.document -> 'task_name', 'text',
                      'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'task_name') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.username IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN pgtandem.mongo_flaw(source.document -> 'username', 'text',
                      'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'username') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.tags IS NOT DISTINCT FROM (SELECT (CASE WHEN source.document -> 'tags'
                      IS NULL THEN ('[]')
                      ELSE nullif(pgtandem.mongo_json(source.document -> 'tags'), 'null')
                      END)::jsonb FROM (SELECT v_new.*) AS source)
                  AND t.variables IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'variables' IS NULL THEN ('{}')
                      ELSE nullif(pgtandem.mongo_json(source.document -> 'variables'), 'null')
                      END)::jsonb FROM (SELECT v_new.*) AS source)
                  AND t.settings IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'settings' IS NULL THEN ('{}')
                      ELSE nullif(pgtandem.mongo_json(source.document -> 'settings'), 'null')
                      END)::jsonb FROM (SELECT v_new.*) AS source)
                  AND t.status IS NOT DISTINCT FROM (SELECT (CASE WHEN source.document -> 'status'
                      IS NULL THEN ('pending') WHEN pgtandem.mongo_flaw(source.document -> 'status',
                      'text', 'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'status') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.created_at IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'created_at' IS NULL
                      THEN (pgtandem.mongo_id_time(_id))
                      WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
                      'date') IS NULL
                      THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz
                      FROM (SELECT v_new.*) AS source)
                  AND t.updated_at IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'updated_at' IS NULL
                      THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
                      pgtandem.mongo_id_time(_id)))
                      WHEN pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                      'date') IS NULL
                      THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
                      FROM (SELECT v_new.*) AS source)
                  AND t.total_images IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'total_images' IS NULL THEN (0)
                      WHEN pgtandem.mongo_flaw(source.document -> 'total_images', 'integer',
                      'number') IS NULL
                      THEN pgtandem.mongo_integer(source.document -> 'total_images') END)::integer
                      FROM (SELECT v_new.*) AS source)
                  AND t.all_subtasks_completed IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'all_subtasks_completed' IS NULL THEN (false)
                      WHEN pgtandem.mongo_flaw(source.document -> 'all_subtasks_completed',
                                               'boolean',
                      'boolean') IS NULL
                      THEN pgtandem.mongo_boolean(source.document -> 'all_subtasks_completed')
                      END)::boolean FROM (SELECT v_new.*) AS source)
                  AND t.is_deleted IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'is_deleted' IS NULL THEN (false)
                      WHEN pgtandem.mongo_flaw(source.document -> 'is_deleted', 'boolean',
                      'boolean') IS NULL
                      THEN pgtandem.mongo_boolean(source.document -> 'is_deleted') END)::boolean
                      FROM (SELECT v_new.*) AS source)
                  AND t.priority IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'priority' IS NULL THEN (1)
                      WHEN pgtandem.mongo_flaw(source.document -> 'priority', 'integer',
                      'number') IS NULL
                      THEN pgtandem.mongo_integer(source.document -> 'priority') END)::integer
                      FROM (SELECT v_new.*) AS source)
            INTO v_kept;
            IF NOT v_kept THEN
                RAISE EXCEPTION 'the target % did not keep the image of key %', 'app.tasks',
                    jsonb_build_array(v_new._id)
                    USING ERRCODE = 'TD010',
                          DETAIL = 'A trigger of the target, or the type of a column, changed a '
                                   'value.',
                          HINT = 'Let the mapping say what the target really stores.';
            ELSIF v_kept IS NULL AND TG_OP = 'UPDATE' THEN
                -- It is not, or no longer, in the filter.
                DELETE FROM app.tasks AS t WHERE t.mongo_id = v_new._id;
                IF v_was IS NOT false AND (NOT FOUND OR pgtandem_tasks.copy_is_open()
                              OR EXISTS (SELECT FROM pgtandem_tasks.image AS i
                                         WHERE i.mongo_id = v_new._id)) THEN
                    PERFORM pgtandem.queue('tasks', jsonb_build_array(v_new._id), 'gone');
                END IF;
            END IF;
        END IF;
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            IF v_sqlstate IN ('55P03', '40P01') THEN
                PERFORM set_config('pgtandem_tasks.state', 'queue', true);
            END IF;
            PERFORM pgtandem._sync_failed('tasks',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old._id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new._id) END,
                v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_tasks.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_tasks.sync_forward() IS
    'Trigger on staging.tasks: brings the image of each written row to app.tasks. '
    'Never fails the write: after 500ms, or on any error, the key goes to pgtandem.recheck.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('staging.tasks', 'pgtandem_tasks',
                                          ARRAY['pgtandem_tasks_write', 'pgtandem_tasks_update',
                                                'pgtandem_tasks_moved',
                                                'pgtandem_tasks_truncate']::text[]);
END;
$do$;
-- PostgreSQL reads a WHEN clause anew for every statement that updates the table, and a list of
-- columns takes it longer than a call of the function: the function looks at the columns itself.
CREATE OR REPLACE TRIGGER pgtandem_tasks_write
    AFTER INSERT OR DELETE ON staging.tasks
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_tasks.sync_forward();
CREATE OR REPLACE TRIGGER pgtandem_tasks_update
    AFTER UPDATE ON staging.tasks
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_tasks.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. tasks_backfill disables this one.
CREATE OR REPLACE TRIGGER pgtandem_tasks_moved
    AFTER UPDATE ON staging.tasks
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_tasks.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE staging.tasks
    ENABLE ALWAYS TRIGGER pgtandem_tasks_write,
    ENABLE ALWAYS TRIGGER pgtandem_tasks_update,
    ENABLE ALWAYS TRIGGER pgtandem_tasks_moved;

CREATE OR REPLACE FUNCTION pgtandem_tasks.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "tasks" and cannot be truncated',
        'staging.tasks'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced; or set sync.truncate: follow in the mapping.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_tasks.truncate_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_tasks.truncate_source() IS
    'Trigger on staging.tasks: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'staging.tasks'::regclass
                   UNION SELECT relid FROM pg_partition_tree('staging.tasks')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_tasks.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_tasks.truncate_source()',
                       'pgtandem_tasks_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_tasks_truncate');
    END LOOP;
END;
$leaves$;

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('tasks');
    PERFORM pgtandem.take_sample('tasks');
    PERFORM pgtandem.set_phase('tasks', 'sync');
END;
$do$;

COMMIT;
