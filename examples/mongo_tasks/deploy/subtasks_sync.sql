-- Deploy mongo_tasks:subtasks_sync to pg
-- requires: subtasks_expand
-- requires: pgtandem:drain
--
-- Rendered by pgtandem 0.1.0 from the mapping "subtasks", SHA-256 d309b5ec03c0fbc0.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of staging.subtasks reaches app.subtasks. Opens the copy: what was there
-- before is still to be backfilled.
--
-- Locks: both tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers wait,
-- readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
-- The image without what is computed once.
CREATE VIEW pgtandem_subtasks.kept AS
SELECT source._id AS mongo_id,
       (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                               'uuid',
           'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id', '""')) END,
           (pgtandem.mongo_id_uuid(_id))))::uuid AS id,
       (CASE WHEN pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid',
           'string') IS NULL
           THEN pgtandem.mongo_uuid(source.document -> 'parent_task_id') END)::uuid
           AS parent_task_id,
       (CASE WHEN source.document -> 'variable_indices' IS NULL
           THEN ('{NULL,NULL,NULL,NULL,NULL,NULL}')
           WHEN pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]',
           'number') IS NULL THEN pgtandem.mongo_array(source.document -> 'variable_indices',
           'integer')::integer[] END)::integer[] AS variable_indices,
       (CASE WHEN source.document -> 'variable_types_map' IS NULL THEN ('{}')
        ELSE nullif(pgtandem.mongo_json(source.document -> 'variable_types_map'), 'null')
        END)::jsonb AS variable_types_map,
       (CASE WHEN source.document -> 'type_to_variable' IS NULL THEN ('{}')
        ELSE nullif(pgtandem.mongo_json(source.document -> 'type_to_variable'), 'null') END)::jsonb
        AS type_to_variable,
       (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
        WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
           'string') IS NULL THEN pgtandem.mongo_text(source.document -> 'status') END)::text
           AS status,
       (nullif(pgtandem.mongo_json(source.document -> 'result'), 'null'))::jsonb AS result,
       (CASE WHEN pgtandem.mongo_flaw(source.document -> 'error', 'text',
           'string') IS NULL THEN pgtandem.mongo_text(source.document -> 'error') END)::text
           AS error,
       (CASE WHEN source.document -> 'retry_count' IS NULL THEN (0)
        WHEN pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer',
           'number') IS NULL
           THEN pgtandem.mongo_integer(source.document -> 'retry_count') END)::integer
           AS retry_count,
       (CASE WHEN source.document -> 'prompts' IS NULL THEN ('[]')
        ELSE nullif(pgtandem.mongo_json(source.document -> 'prompts'), 'null') END)::jsonb
        AS prompts,
       (CASE WHEN source.document -> 'ratio' IS NULL THEN ('1:1')
        WHEN pgtandem.mongo_flaw(source.document -> 'ratio', 'text',
           'string') IS NULL THEN pgtandem.mongo_text(source.document -> 'ratio') END)::text
           AS ratio,
       (CASE WHEN pgtandem.mongo_flaw(source.document -> 'seed', 'bigint',
           'number') IS NULL THEN pgtandem.mongo_bigint(source.document -> 'seed') END)::bigint
           AS seed,
       (CASE WHEN source.document -> 'use_polish' IS NULL THEN (false)
        WHEN pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean',
           'boolean') IS NULL
           THEN pgtandem.mongo_boolean(source.document -> 'use_polish') END)::boolean AS use_polish,
       (CASE WHEN source.document -> 'created_at' IS NULL THEN (pgtandem.mongo_id_time(_id))
        WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
           'date') IS NULL
           THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz
           AS created_at,
       (CASE WHEN source.document -> 'updated_at' IS NULL
        THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
           pgtandem.mongo_id_time(_id))) WHEN pgtandem.mongo_flaw(source.document -> 'updated_at',
           'timestamptz', 'date') IS NULL
           THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz AS updated_at
FROM staging.subtasks AS source
WHERE (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'), 'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]', 'number'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'error', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'ratio', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'seed', 'bigint', 'number'),
    pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL);
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"staging.subtasks", "app.subtasks"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('subtasks',
        'd309b5ec03c0fbc01ac859c9d1e87692d1d779810f3e5a95e25db2cd96da1fa4');
    PERFORM pgtandem.require_unique('app.subtasks', ARRAY['mongo_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_subtasks.image', 'staging.subtasks',
                                  ARRAY['_id', 'document']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_subtasks.kept', '{"staging.subtasks"}');
    PERFORM pgtandem.require_immediate('app.subtasks');
END;
$do$;
DROP VIEW pgtandem_subtasks.kept;

CREATE OR REPLACE FUNCTION pgtandem_subtasks.copy_is_open() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- What an old snapshot does not see counts as open: a needless entry in the queue harms nobody.
    SELECT NOT EXISTS (SELECT FROM pgtandem.mapping
                       WHERE name = 'subtasks' AND copy_state = 'complete');
$$;
COMMENT ON FUNCTION pgtandem_subtasks.copy_is_open() IS
    'Whether a chunk may be in flight, so that whatever takes an image away must queue its key.';

CREATE OR REPLACE FUNCTION pgtandem_subtasks.was_contracted() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- True only for a snapshot that is older than a revert of contract.
    SELECT EXISTS (SELECT FROM pgtandem.mapping WHERE name = 'subtasks' AND phase = 'contract');
$$;
REVOKE ALL ON FUNCTION pgtandem_subtasks.was_contracted() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_subtasks.was_contracted() IS
    'Whether the caller''s snapshot still shows the mapping contracted: it does not see the '
    'source.';

-- One key of the queue: hold the target's row, then read the image in a statement of its own. Never
-- the other way round: a re-insert of the key would be lost.
CREATE OR REPLACE FUNCTION pgtandem_subtasks.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 app.subtasks.mongo_id%TYPE := (p_key ->> 0)::text;
    v_result text;
BEGIN
    FOR v_try IN 1..20 LOOP
        PERFORM FROM app.subtasks AS t
        WHERE t.mongo_id = v_key1
        FOR UPDATE;
        IF FOUND THEN
            UPDATE app.subtasks AS t
            SET id = i.id,
                parent_task_id = i.parent_task_id,
                variable_indices = i.variable_indices,
                variable_types_map = i.variable_types_map,
                type_to_variable = i.type_to_variable,
                status = i.status,
                result = i.result,
                error = i.error,
                retry_count = i.retry_count,
                prompts = i.prompts,
                ratio = i.ratio,
                seed = i.seed,
                use_polish = i.use_polish,
                created_at = i.created_at,
                updated_at = i.updated_at
            FROM pgtandem_subtasks.image AS i
            WHERE t.mongo_id = v_key1 AND i.mongo_id = v_key1
              AND (t.id IS DISTINCT FROM i.id
                   OR t.parent_task_id IS DISTINCT FROM i.parent_task_id
                   OR t.variable_indices IS DISTINCT FROM i.variable_indices
                   OR t.variable_types_map IS DISTINCT FROM i.variable_types_map
                   OR t.type_to_variable IS DISTINCT FROM i.type_to_variable
                   OR t.status IS DISTINCT FROM i.status
                   OR t.result IS DISTINCT FROM i.result
                   OR t.error IS DISTINCT FROM i.error
                   OR t.retry_count IS DISTINCT FROM i.retry_count
                   OR t.prompts IS DISTINCT FROM i.prompts
                   OR t.ratio IS DISTINCT FROM i.ratio
                   OR t.seed IS DISTINCT FROM i.seed
                   OR t.use_polish IS DISTINCT FROM i.use_polish
                   OR t.created_at IS DISTINCT FROM i.created_at
                   OR t.updated_at IS DISTINCT FROM i.updated_at);
            IF FOUND THEN
                v_result := 'updated';
                EXIT;
            END IF;
            DELETE FROM app.subtasks AS t
            WHERE t.mongo_id = v_key1
              AND NOT EXISTS (SELECT FROM pgtandem_subtasks.image AS i WHERE i.mongo_id = v_key1);
            RETURN CASE WHEN FOUND THEN 'deleted' ELSE 'equal' END;
        END IF;
        INSERT INTO app.subtasks AS t
            (mongo_id, rating, evaluate, id, parent_task_id, variable_indices, variable_types_map,
             type_to_variable, status, result, error, retry_count, prompts, ratio, seed, use_polish,
             created_at, updated_at)
        OVERRIDING SYSTEM VALUE
        SELECT i.mongo_id, i.rating, i.evaluate, i.id, i.parent_task_id, i.variable_indices,
            i.variable_types_map, i.type_to_variable, i.status, i.result, i.error, i.retry_count,
            i.prompts, i.ratio, i.seed, i.use_polish, i.created_at, i.updated_at
        FROM pgtandem_subtasks.image AS i
        WHERE i.mongo_id = v_key1
        ON CONFLICT (mongo_id) DO NOTHING;
        IF FOUND THEN
            v_result := 'inserted';
            EXIT;
        END IF;
        PERFORM FROM pgtandem_subtasks.image AS i WHERE i.mongo_id = v_key1;
        IF NOT FOUND THEN
            RETURN 'equal';
        END IF;
        -- Somebody inserted the row between our two statements: hold it, and look again.
    END LOOP;
    IF v_result IS NULL OR EXISTS (
           SELECT FROM app.subtasks AS t, pgtandem_subtasks.image AS i
           WHERE t.mongo_id = v_key1 AND i.mongo_id = v_key1
             AND (t.id IS DISTINCT FROM i.id
                  OR t.parent_task_id IS DISTINCT FROM i.parent_task_id
                  OR t.variable_indices IS DISTINCT FROM i.variable_indices
                  OR t.variable_types_map IS DISTINCT FROM i.variable_types_map
                  OR t.type_to_variable IS DISTINCT FROM i.type_to_variable
                  OR t.status IS DISTINCT FROM i.status
                  OR t.result IS DISTINCT FROM i.result
                  OR t.error IS DISTINCT FROM i.error
                  OR t.retry_count IS DISTINCT FROM i.retry_count
                  OR t.prompts IS DISTINCT FROM i.prompts
                  OR t.ratio IS DISTINCT FROM i.ratio
                  OR t.seed IS DISTINCT FROM i.seed
                  OR t.use_polish IS DISTINCT FROM i.use_polish
                  OR t.created_at IS DISTINCT FROM i.created_at
                  OR t.updated_at IS DISTINCT FROM i.updated_at)) THEN
        RAISE EXCEPTION 'the target % does not keep the image of key %', 'app.subtasks', p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the target really stores.';
    END IF;
    RETURN v_result;
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_subtasks.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_subtasks.settle(jsonb) IS
    'Makes the target hold the image of one key: inserted, updated, deleted or equal. TD010. '
    'Called by pgtandem._settle, which marks the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_subtasks.chunk_keys(
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
    pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]', 'number'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'error', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'ratio', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'seed', 'bigint', 'number'),
    pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_subtasks.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

CREATE OR REPLACE FUNCTION pgtandem_subtasks.queue_extra() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $queue_extra$
    INSERT INTO pgtandem.recheck (mapping, key, reason)
    SELECT 'subtasks', jsonb_build_array(t.mongo_id), 'gone'
    FROM app.subtasks AS t
    WHERE NOT EXISTS (SELECT FROM pgtandem_subtasks.image AS i
                      WHERE i.mongo_id = t.mongo_id);
$queue_extra$;
REVOKE ALL ON FUNCTION pgtandem_subtasks.queue_extra() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_subtasks.queue_extra() IS
    'Queues the keys of the target that have no image. Called by pgtandem._sweep, once a copy over '
    'a target that had rows.';

-- Rows go in sorted by the key of the target, whose index then grows in order.
CREATE OR REPLACE FUNCTION pgtandem_subtasks.copy_chunk(
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
                   NULL AS rating,
                   NULL AS evaluate,
                   (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                           'uuid',
                       'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                       '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid AS id,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid',
                       'string') IS NULL
                       THEN pgtandem.mongo_uuid(source.document -> 'parent_task_id') END)::uuid
                       AS parent_task_id,
                   (CASE WHEN source.document -> 'variable_indices' IS NULL
                       THEN ('{NULL,NULL,NULL,NULL,NULL,NULL}')
                       WHEN pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]',
                       'number') IS NULL
                       THEN pgtandem.mongo_array(source.document -> 'variable_indices',
                       'integer')::integer[] END)::integer[] AS variable_indices,
                   (CASE WHEN source.document -> 'variable_types_map' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'variable_types_map'),
                                'null') END)::jsonb AS variable_types_map,
                   (CASE WHEN source.document -> 'type_to_variable' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'type_to_variable'), 'null')
                    END)::jsonb AS type_to_variable,
                   (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
                    WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'status') END)::text AS status,
                   (nullif(pgtandem.mongo_json(source.document -> 'result'), 'null'))::jsonb
                       AS result,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'error', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'error') END)::text AS error,
                   (CASE WHEN source.document -> 'retry_count' IS NULL THEN (0)
                    WHEN pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'retry_count') END)::integer
                       AS retry_count,
                   (CASE WHEN source.document -> 'prompts' IS NULL THEN ('[]')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'prompts'), 'null')
                    END)::jsonb AS prompts,
                   (CASE WHEN source.document -> 'ratio' IS NULL THEN ('1:1')
                    WHEN pgtandem.mongo_flaw(source.document -> 'ratio', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'ratio') END)::text AS ratio,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'seed', 'bigint',
                       'number') IS NULL
                       THEN pgtandem.mongo_bigint(source.document -> 'seed') END)::bigint AS seed,
                   (CASE WHEN source.document -> 'use_polish' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'use_polish') END)::boolean
                       AS use_polish,
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
                       AS updated_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]', 'number'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'error', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'ratio', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'seed', 'bigint', 'number'),
    pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
            FOR NO KEY UPDATE OF source)
            INSERT INTO app.subtasks AS t
                (mongo_id, rating, evaluate, id, parent_task_id, variable_indices,
                 variable_types_map, type_to_variable, status, result, error, retry_count, prompts,
                 ratio, seed, use_polish, created_at, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.mongo_id, i.rating, i.evaluate, i.id, i.parent_task_id, i.variable_indices,
                i.variable_types_map, i.type_to_variable, i.status, i.result, i.error,
                i.retry_count, i.prompts, i.ratio, i.seed, i.use_polish, i.created_at, i.updated_at
            FROM image AS i
            ORDER BY i.mongo_id
            ON CONFLICT (mongo_id) DO UPDATE
                SET id = excluded.id,
                    parent_task_id = excluded.parent_task_id,
                    variable_indices = excluded.variable_indices,
                    variable_types_map = excluded.variable_types_map,
                    type_to_variable = excluded.type_to_variable,
                    status = excluded.status,
                    result = excluded.result,
                    error = excluded.error,
                    retry_count = excluded.retry_count,
                    prompts = excluded.prompts,
                    ratio = excluded.ratio,
                    seed = excluded.seed,
                    use_polish = excluded.use_polish,
                    created_at = excluded.created_at,
                    updated_at = excluded.updated_at
                WHERE t.id IS DISTINCT FROM excluded.id
                   OR t.parent_task_id IS DISTINCT FROM excluded.parent_task_id
                   OR t.variable_indices IS DISTINCT FROM excluded.variable_indices
                   OR t.variable_types_map IS DISTINCT FROM excluded.variable_types_map
                   OR t.type_to_variable IS DISTINCT FROM excluded.type_to_variable
                   OR t.status IS DISTINCT FROM excluded.status
                   OR t.result IS DISTINCT FROM excluded.result
                   OR t.error IS DISTINCT FROM excluded.error
                   OR t.retry_count IS DISTINCT FROM excluded.retry_count
                   OR t.prompts IS DISTINCT FROM excluded.prompts
                   OR t.ratio IS DISTINCT FROM excluded.ratio
                   OR t.seed IS DISTINCT FROM excluded.seed
                   OR t.use_polish IS DISTINCT FROM excluded.use_polish
                   OR t.created_at IS DISTINCT FROM excluded.created_at
                   OR t.updated_at IS DISTINCT FROM excluded.updated_at
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO app.subtasks
                (mongo_id, rating, evaluate, id, parent_task_id, variable_indices,
                 variable_types_map, type_to_variable, status, result, error, retry_count, prompts,
                 ratio, seed, use_polish, created_at, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source._id,
                   NULL,
                   NULL,
                   (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                           'uuid',
                       'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                       '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid',
                       'string') IS NULL
                       THEN pgtandem.mongo_uuid(source.document -> 'parent_task_id') END)::uuid,
                   (CASE WHEN source.document -> 'variable_indices' IS NULL
                       THEN ('{NULL,NULL,NULL,NULL,NULL,NULL}')
                       WHEN pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]',
                       'number') IS NULL
                       THEN pgtandem.mongo_array(source.document -> 'variable_indices',
                                                 'integer')::integer[] END)::integer[],
                   (CASE WHEN source.document -> 'variable_types_map' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'variable_types_map'),
                                'null') END)::jsonb,
                   (CASE WHEN source.document -> 'type_to_variable' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'type_to_variable'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
                    WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'status') END)::text,
                   (nullif(pgtandem.mongo_json(source.document -> 'result'), 'null'))::jsonb,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'error', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'error') END)::text,
                   (CASE WHEN source.document -> 'retry_count' IS NULL THEN (0)
                    WHEN pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'retry_count') END)::integer,
                   (CASE WHEN source.document -> 'prompts' IS NULL THEN ('[]')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'prompts'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'ratio' IS NULL THEN ('1:1')
                    WHEN pgtandem.mongo_flaw(source.document -> 'ratio', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'ratio') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'seed', 'bigint',
                       'number') IS NULL
                       THEN pgtandem.mongo_bigint(source.document -> 'seed') END)::bigint,
                   (CASE WHEN source.document -> 'use_polish' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'use_polish') END)::boolean,
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
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]', 'number'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'error', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'ratio', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'seed', 'bigint', 'number'),
    pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
            ORDER BY source._id
        $insert$
        ELSE $skip$
            INSERT INTO app.subtasks
                (mongo_id, rating, evaluate, id, parent_task_id, variable_indices,
                 variable_types_map, type_to_variable, status, result, error, retry_count, prompts,
                 ratio, seed, use_polish, created_at, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source._id,
                   NULL,
                   NULL,
                   (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                           'uuid',
                       'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                       '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid',
                       'string') IS NULL
                       THEN pgtandem.mongo_uuid(source.document -> 'parent_task_id') END)::uuid,
                   (CASE WHEN source.document -> 'variable_indices' IS NULL
                       THEN ('{NULL,NULL,NULL,NULL,NULL,NULL}')
                       WHEN pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]',
                       'number') IS NULL
                       THEN pgtandem.mongo_array(source.document -> 'variable_indices',
                                                 'integer')::integer[] END)::integer[],
                   (CASE WHEN source.document -> 'variable_types_map' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'variable_types_map'),
                                'null') END)::jsonb,
                   (CASE WHEN source.document -> 'type_to_variable' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'type_to_variable'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
                    WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'status') END)::text,
                   (nullif(pgtandem.mongo_json(source.document -> 'result'), 'null'))::jsonb,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'error', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'error') END)::text,
                   (CASE WHEN source.document -> 'retry_count' IS NULL THEN (0)
                    WHEN pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'retry_count') END)::integer,
                   (CASE WHEN source.document -> 'prompts' IS NULL THEN ('[]')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'prompts'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'ratio' IS NULL THEN ('1:1')
                    WHEN pgtandem.mongo_flaw(source.document -> 'ratio', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'ratio') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'seed', 'bigint',
                       'number') IS NULL
                       THEN pgtandem.mongo_bigint(source.document -> 'seed') END)::bigint,
                   (CASE WHEN source.document -> 'use_polish' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'use_polish') END)::boolean,
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
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid', 'string'),
    pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]', 'number'),
    pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'error', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer', 'number'),
    pgtandem.mongo_flaw(source.document -> 'ratio', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'seed', 'bigint', 'number'),
    pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
              AND NOT EXISTS (SELECT FROM app.subtasks AS t
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
REVOKE ALL ON FUNCTION pgtandem_subtasks.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_subtasks.copy_chunk(regclass, bigint, bigint, text) IS
    'Copies a range of blocks; returns the rows written. Strategies: insert (none is there), skip '
    '(those there are right), ignore (likewise, with writers at work), overwrite (lock and '
    'replace). Called by pgtandem._copy_chunk, which marks the write as ours.';

-- A write of the source: bring its image to the target.
CREATE OR REPLACE FUNCTION pgtandem_subtasks.sync_forward() RETURNS trigger
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
        -- Nothing that is mapped. The trigger pgtandem_subtasks_moved is for rows that change
        -- block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        -- pgtandem_subtasks_update brings it over; but what the way back wrote is brought by
        -- nobody, and a copy that overwrites has to see it where it is now.
        IF current_setting('pgtandem_subtasks.depth', true) = (pg_trigger_depth() - 1)::text
           AND (v_old.ctid::text::point)[0] <> (v_new.ctid::text::point)[0] THEN
            PERFORM pgtandem.queue('subtasks', jsonb_build_array(v_new._id), 'copy');
        END IF;
        RETURN NULL;
    END IF;

    -- One look for what is rare: PL/pgSQL pays for each expression anew in each transaction.
    IF current_setting('pgtandem_subtasks.state', true) <> '' OR pg_trigger_depth() > 1 THEN
        IF current_setting('pgtandem_subtasks.state', true) = 'queue' THEN
            -- This transaction has waited for the target once; it does not wait again.
            PERFORM pgtandem._sync_failed('subtasks',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old._id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new._id) END,
                '55P03', 'queued: an earlier write of the transaction had to give way');
            RETURN NULL;
        END IF;
        -- Triggers of the application that write this table again run between the rows of a
        -- statement. Where that has happened, NEW may be older than the row: read the row.
        IF current_setting('pgtandem_subtasks.state', true) = 'nested' AND TG_OP <> 'DELETE' THEN
            SELECT s._id, s.document
            INTO v_new._id, v_new.document
            FROM staging.subtasks AS s
            WHERE s._id = v_new._id;
            IF NOT FOUND THEN
                IF TG_OP = 'UPDATE' THEN
                    -- What took it from its new key did not know of its old one.
                    PERFORM pgtandem.queue('subtasks', jsonb_build_array(v_old._id), 'gone');
                END IF;
                RETURN NULL;
            END IF;
        ELSIF pg_trigger_depth() > 1 THEN
            PERFORM set_config('pgtandem_subtasks.state', 'nested', true);
        END IF;
    END IF;

    BEGIN
        IF TG_OP <> 'INSERT' THEN
            SELECT (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                 'uuid', 'string'),
        pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid', 'string'),
        pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]', 'number'),
        pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'error', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer', 'number'),
        pgtandem.mongo_flaw(source.document -> 'ratio', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'seed', 'bigint', 'number'),
        pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean', 'boolean'),
        pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
        pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                            'date')) IS NULL) IS TRUE INTO v_was FROM (SELECT v_old.*) AS source;
        END IF;
        IF TG_OP = 'DELETE' THEN
            DELETE FROM app.subtasks AS t
            WHERE t.mongo_id = v_old._id
              AND NOT EXISTS (SELECT FROM pgtandem_subtasks.image AS i
                              WHERE i.mongo_id = v_old._id);
            IF v_was IS NOT false AND (NOT FOUND OR pgtandem_subtasks.copy_is_open()
                          OR EXISTS (SELECT FROM pgtandem_subtasks.image AS i
                                     WHERE i.mongo_id = v_old._id))
               AND NOT pgtandem._cascades('app.subtasks', ARRAY['mongo_id']::text[],
                                          'staging.subtasks', ARRAY['_id']::text[]) THEN
                -- A chunk in flight may still put it back, or, where the source has no unique key,
                -- another row have taken its place just now.
                PERFORM pgtandem.queue('subtasks', jsonb_build_array(v_old._id), 'gone');
            END IF;
        ELSE
            IF TG_OP = 'UPDATE' AND (v_old._id IS DISTINCT FROM v_new._id) THEN
                -- Keep what the new application owns of the row, unless the new key is taken.
                UPDATE app.subtasks AS t
                SET mongo_id = v_new._id
                WHERE t.mongo_id = v_old._id
                  AND NOT EXISTS (SELECT FROM app.subtasks AS o WHERE o.mongo_id = v_new._id)
                  AND NOT EXISTS (SELECT FROM pgtandem_subtasks.image AS i
                                  WHERE i.mongo_id = v_old._id);
                v_found := FOUND;
                IF NOT v_found THEN
                    DELETE FROM app.subtasks AS t
                    WHERE t.mongo_id = v_old._id
                      AND NOT EXISTS (SELECT FROM pgtandem_subtasks.image AS i
                                      WHERE i.mongo_id = v_old._id);
                    v_found := FOUND;
                END IF;
                IF v_was IS NOT false AND (NOT v_found OR pgtandem_subtasks.copy_is_open()
                              OR EXISTS (SELECT FROM pgtandem_subtasks.image AS i
                                         WHERE i.mongo_id = v_old._id)) THEN
                    PERFORM pgtandem.queue('subtasks', jsonb_build_array(v_old._id), 'gone');
                    PERFORM pgtandem.queue('subtasks', jsonb_build_array(v_new._id), 'gone');
                END IF;
            END IF;
            INSERT INTO app.subtasks AS t
                (mongo_id, rating, evaluate, id, parent_task_id, variable_indices,
                 variable_types_map, type_to_variable, status, result, error, retry_count, prompts,
                 ratio, seed, use_polish, created_at, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source._id,
                   NULL,
                   NULL,
                   (coalesce(CASE WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                           'uuid',
                       'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                       '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid',
                       'string') IS NULL
                       THEN pgtandem.mongo_uuid(source.document -> 'parent_task_id') END)::uuid,
                   (CASE WHEN source.document -> 'variable_indices' IS NULL
                       THEN ('{NULL,NULL,NULL,NULL,NULL,NULL}')
                       WHEN pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]',
                       'number') IS NULL
                       THEN pgtandem.mongo_array(source.document -> 'variable_indices',
                                                 'integer')::integer[] END)::integer[],
                   (CASE WHEN source.document -> 'variable_types_map' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'variable_types_map'),
                                'null') END)::jsonb,
                   (CASE WHEN source.document -> 'type_to_variable' IS NULL THEN ('{}')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'type_to_variable'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'status' IS NULL THEN ('pending')
                    WHEN pgtandem.mongo_flaw(source.document -> 'status', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'status') END)::text,
                   (nullif(pgtandem.mongo_json(source.document -> 'result'), 'null'))::jsonb,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'error', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'error') END)::text,
                   (CASE WHEN source.document -> 'retry_count' IS NULL THEN (0)
                    WHEN pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer',
                       'number') IS NULL
                       THEN pgtandem.mongo_integer(source.document -> 'retry_count') END)::integer,
                   (CASE WHEN source.document -> 'prompts' IS NULL THEN ('[]')
                    ELSE nullif(pgtandem.mongo_json(source.document -> 'prompts'), 'null')
                    END)::jsonb,
                   (CASE WHEN source.document -> 'ratio' IS NULL THEN ('1:1')
                    WHEN pgtandem.mongo_flaw(source.document -> 'ratio', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'ratio') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'seed', 'bigint',
                       'number') IS NULL
                       THEN pgtandem.mongo_bigint(source.document -> 'seed') END)::bigint,
                   (CASE WHEN source.document -> 'use_polish' IS NULL THEN (false)
                    WHEN pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'use_polish') END)::boolean,
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
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
            FROM (SELECT v_new.*) AS source
            WHERE (coalesce(pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                                'uuid', 'string'),
        pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid', 'string'),
        pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]', 'number'),
        pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'error', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer', 'number'),
        pgtandem.mongo_flaw(source.document -> 'ratio', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'seed', 'bigint', 'number'),
        pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean', 'boolean'),
        pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
        pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
            ON CONFLICT (mongo_id) DO UPDATE
                SET id = excluded.id,
                    parent_task_id = excluded.parent_task_id,
                    variable_indices = excluded.variable_indices,
                    variable_types_map = excluded.variable_types_map,
                    type_to_variable = excluded.type_to_variable,
                    status = excluded.status,
                    result = excluded.result,
                    error = excluded.error,
                    retry_count = excluded.retry_count,
                    prompts = excluded.prompts,
                    ratio = excluded.ratio,
                    seed = excluded.seed,
                    use_polish = excluded.use_polish,
                    created_at = excluded.created_at,
                    updated_at = excluded.updated_at
            RETURNING t.mongo_id IS NOT DISTINCT FROM v_new._id
                  AND t.id IS NOT DISTINCT FROM (SELECT (coalesce(CASE
                      WHEN pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'),
                                               'uuid',
                      'string') IS NULL THEN pgtandem.mongo_uuid(nullif(source.document -> 'id',
                      '""')) END, (pgtandem.mongo_id_uuid(_id))))::uuid FROM (SELECT v_new.*)
                      AS source)
                  AND t.parent_task_id IS NOT DISTINCT FROM (SELECT (CASE
                  WHEN pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid',
                      'string') IS NULL
                      THEN pgtandem.mongo_uuid(source.document -> 'parent_task_id') END)::uuid
                      FROM (SELECT v_new.*) AS source)
                  AND t.variable_indices IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'variable_indices' IS NULL
                      THEN ('{NULL,NULL,NULL,NULL,NULL,NULL}')
                      WHEN pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]',
                      'number') IS NULL
                      THEN pgtandem.mongo_array(source.document -> 'variable_indices',
                      'integer')::integer[] END)::integer[] FROM (SELECT v_new.*) AS source)
                  AND t.variable_types_map IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'variable_types_map' IS NULL THEN ('{}')
                      ELSE nullif(pgtandem.mongo_json(source.document -> 'variable_types_map'),
                                  'null') END)::jsonb FROM (SELECT v_new.*) AS source)
                  AND t.type_to_variable IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'type_to_variable' IS NULL THEN ('{}')
                      ELSE nullif(pgtandem.mongo_json(source.document -> 'type_to_variable'),
                                  'null') END)::jsonb FROM (SELECT v_new.*) AS source)
                  AND t.status IS NOT DISTINCT FROM (SELECT (CASE WHEN source.document -> 'status'
                      IS NULL THEN ('pending') WHEN pgtandem.mongo_flaw(source.document -> 'status',
                      'text', 'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'status') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.result
                      IS NOT DISTINCT FROM (SELECT (nullif(pgtandem.mongo_json(source.document ->
                                                           'result'), 'null'))::jsonb
                                                           FROM (SELECT v_new.*) AS source)
                  AND t.error IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN pgtandem.mongo_flaw(source.document -> 'error', 'text',
                      'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'error') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.retry_count IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'retry_count' IS NULL THEN (0)
                      WHEN pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer',
                      'number') IS NULL
                      THEN pgtandem.mongo_integer(source.document -> 'retry_count') END)::integer
                      FROM (SELECT v_new.*) AS source)
                  AND t.prompts IS NOT DISTINCT FROM (SELECT (CASE WHEN source.document -> 'prompts'
                      IS NULL THEN ('[]')
                      ELSE nullif(pgtandem.mongo_json(source.document -> 'prompts'), 'null')
                      END)::jsonb FROM (SELECT v_new.*) AS source)
                  AND t.ratio IS NOT DISTINCT FROM (SELECT (CASE WHEN source.document -> 'ratio'
                      IS NULL THEN ('1:1') WHEN pgtandem.mongo_flaw(source.document -> 'ratio',
                      'text', 'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'ratio') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.seed IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN pgtandem.mongo_flaw(source.document -> 'seed', 'bigint',
                      'number') IS NULL
                      THEN pgtandem.mongo_bigint(source.document -> 'seed') END)::bigint
                      FROM (SELECT v_new.*) AS source)
                  AND t.use_polish IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'use_polish' IS NULL THEN (false)
                      WHEN pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean',
                      'boolean') IS NULL
                      THEN pgtandem.mongo_boolean(source.document -> 'use_polish') END)::boolean
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
            INTO v_kept;
            IF NOT v_kept THEN
                RAISE EXCEPTION 'the target % did not keep the image of key %', 'app.subtasks',
                    jsonb_build_array(v_new._id)
                    USING ERRCODE = 'TD010',
                          DETAIL = 'A trigger of the target, or the type of a column, changed a '
                                   'value.',
                          HINT = 'Let the mapping say what the target really stores.';
            ELSIF v_kept IS NULL AND TG_OP = 'UPDATE' THEN
                -- It is not, or no longer, in the filter.
                DELETE FROM app.subtasks AS t WHERE t.mongo_id = v_new._id;
                IF v_was IS NOT false AND (NOT FOUND OR pgtandem_subtasks.copy_is_open()
                              OR EXISTS (SELECT FROM pgtandem_subtasks.image AS i
                                         WHERE i.mongo_id = v_new._id)) THEN
                    PERFORM pgtandem.queue('subtasks', jsonb_build_array(v_new._id), 'gone');
                END IF;
            END IF;
        END IF;
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            IF v_sqlstate IN ('55P03', '40P01') THEN
                PERFORM set_config('pgtandem_subtasks.state', 'queue', true);
            END IF;
            PERFORM pgtandem._sync_failed('subtasks',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old._id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new._id) END,
                v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_subtasks.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_subtasks.sync_forward() IS
    'Trigger on staging.subtasks: brings the image of each written row to app.subtasks. '
    'Never fails the write: after 500ms, or on any error, the key goes to pgtandem.recheck.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('staging.subtasks', 'pgtandem_subtasks',
                                          ARRAY['pgtandem_subtasks_write',
                                                'pgtandem_subtasks_update',
                                                'pgtandem_subtasks_moved',
                                                'pgtandem_subtasks_truncate']::text[]);
END;
$do$;
-- PostgreSQL reads a WHEN clause anew for every statement that updates the table, and a list of
-- columns takes it longer than a call of the function: the function looks at the columns itself.
CREATE OR REPLACE TRIGGER pgtandem_subtasks_write
    AFTER INSERT OR DELETE ON staging.subtasks
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_subtasks.sync_forward();
CREATE OR REPLACE TRIGGER pgtandem_subtasks_update
    AFTER UPDATE ON staging.subtasks
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_subtasks.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. subtasks_backfill disables this one.
CREATE OR REPLACE TRIGGER pgtandem_subtasks_moved
    AFTER UPDATE ON staging.subtasks
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_subtasks.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE staging.subtasks
    ENABLE ALWAYS TRIGGER pgtandem_subtasks_write,
    ENABLE ALWAYS TRIGGER pgtandem_subtasks_update,
    ENABLE ALWAYS TRIGGER pgtandem_subtasks_moved;

CREATE OR REPLACE FUNCTION pgtandem_subtasks.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "subtasks" and cannot be truncated',
        'staging.subtasks'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced; or set sync.truncate: follow in the mapping.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_subtasks.truncate_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_subtasks.truncate_source() IS
    'Trigger on staging.subtasks: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'staging.subtasks'::regclass
                   UNION SELECT relid FROM pg_partition_tree('staging.subtasks')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_subtasks.depth'', '
                       'true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_subtasks.truncate_source()',
                       'pgtandem_subtasks_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_subtasks_truncate');
    END LOOP;
END;
$leaves$;

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('subtasks');
    PERFORM pgtandem.take_sample('subtasks');
    PERFORM pgtandem.set_phase('subtasks', 'sync');
END;
$do$;

COMMIT;
