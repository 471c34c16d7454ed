-- Deploy mongo_tasks:subtasks_expand to pg
-- requires: app_tables
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
-- requires: pgtandem:mongo_document
--
-- Rendered by pgtandem 0.1.0 from the mapping "subtasks", SHA-256 d309b5ec03c0fbc0.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What app.subtasks should hold, as a view by key, and the comparison of the two. Nothing writes
-- yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_subtasks;
COMMENT ON SCHEMA pgtandem_subtasks IS
    'Rendered from the mapping "subtasks": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_subtasks.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_subtasks.compared(text, text);
DROP VIEW IF EXISTS pgtandem_subtasks.categories;
DROP VIEW IF EXISTS pgtandem_subtasks.image;
CREATE VIEW pgtandem_subtasks.image AS
SELECT source._id AS mongo_id,
       NULL AS rating,
       NULL AS evaluate,
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
COMMENT ON VIEW pgtandem_subtasks.image IS
    'What app.subtasks should hold, by key. Initial only: rating, evaluate.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_subtasks.compared(
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
                    OR i.parent_task_id IS DISTINCT FROM t.parent_task_id
                    OR i.variable_indices IS DISTINCT FROM t.variable_indices
                    OR i.variable_types_map IS DISTINCT FROM t.variable_types_map
                    OR i.type_to_variable IS DISTINCT FROM t.type_to_variable
                    OR i.status IS DISTINCT FROM t.status
                    OR i.result IS DISTINCT FROM t.result
                    OR i.error IS DISTINCT FROM t.error
                    OR i.retry_count IS DISTINCT FROM t.retry_count
                    OR i.prompts IS DISTINCT FROM t.prompts
                    OR i.ratio IS DISTINCT FROM t.ratio
                    OR i.seed IS DISTINCT FROM t.seed
                    OR i.use_polish IS DISTINCT FROM t.use_polish
                    OR i.created_at IS DISTINCT FROM t.created_at
                    OR i.updated_at IS DISTINCT FROM t.updated_at),
           array_remove(ARRAY[CASE WHEN i.id IS DISTINCT FROM t.id THEN 'id' END,
                              CASE WHEN i.parent_task_id IS DISTINCT FROM t.parent_task_id
                                  THEN 'parent_task_id' END,
                              CASE WHEN i.variable_indices IS DISTINCT FROM t.variable_indices
                                  THEN 'variable_indices' END,
                              CASE WHEN i.variable_types_map IS DISTINCT FROM t.variable_types_map
                                  THEN 'variable_types_map' END,
                              CASE WHEN i.type_to_variable IS DISTINCT FROM t.type_to_variable
                                  THEN 'type_to_variable' END,
                              CASE WHEN i.status IS DISTINCT FROM t.status THEN 'status' END,
                              CASE WHEN i.result IS DISTINCT FROM t.result THEN 'result' END,
                              CASE WHEN i.error IS DISTINCT FROM t.error THEN 'error' END,
                              CASE WHEN i.retry_count IS DISTINCT FROM t.retry_count
                                  THEN 'retry_count' END,
                              CASE WHEN i.prompts IS DISTINCT FROM t.prompts THEN 'prompts' END,
                              CASE WHEN i.ratio IS DISTINCT FROM t.ratio THEN 'ratio' END,
                              CASE WHEN i.seed IS DISTINCT FROM t.seed THEN 'seed' END,
                              CASE WHEN i.use_polish IS DISTINCT FROM t.use_polish
                                  THEN 'use_polish' END,
                              CASE WHEN i.created_at IS DISTINCT FROM t.created_at
                                  THEN 'created_at' END,
                              CASE WHEN i.updated_at IS DISTINCT FROM t.updated_at
                              THEN 'updated_at' END], NULL),
           jsonb_build_object('mongo_id', i.mongo_id::text, 'id', i.id::text,
                              'parent_task_id', i.parent_task_id::text,
                              'variable_indices', i.variable_indices::text,
                              'variable_types_map', i.variable_types_map::text,
                              'type_to_variable', i.type_to_variable::text,
                              'status', i.status::text, 'result', i.result::text,
                              'error', i.error::text, 'retry_count', i.retry_count::text,
                              'prompts', i.prompts::text, 'ratio', i.ratio::text,
                              'seed', i.seed::text, 'use_polish', i.use_polish::text,
                              'created_at', i.created_at::text, 'updated_at', i.updated_at::text),
           jsonb_build_object('mongo_id', t.mongo_id::text, 'id', t.id::text,
                              'parent_task_id', t.parent_task_id::text,
                              'variable_indices', t.variable_indices::text,
                              'variable_types_map', t.variable_types_map::text,
                              'type_to_variable', t.type_to_variable::text,
                              'status', t.status::text, 'result', t.result::text,
                              'error', t.error::text, 'retry_count', t.retry_count::text,
                              'prompts', t.prompts::text, 'ratio', t.ratio::text,
                              'seed', t.seed::text, 'use_polish', t.use_polish::text,
                              'created_at', t.created_at::text, 'updated_at', t.updated_at::text)
    FROM (SELECT mongo_id, id, parent_task_id, variable_indices, variable_types_map,
          type_to_variable, status, result, error, retry_count, prompts, ratio, seed, use_polish,
          created_at, updated_at
          FROM pgtandem_subtasks.image
          WHERE (p_low IS NULL OR mongo_id >= p_low)
            AND (p_high IS NULL OR mongo_id < p_high OR (p_low IS NULL AND mongo_id IS NULL))) AS i
    FULL JOIN (SELECT mongo_id, id, parent_task_id, variable_indices, variable_types_map,
               type_to_variable, status, result, error, retry_count, prompts, ratio, seed,
               use_polish, created_at, updated_at
               FROM app.subtasks
               WHERE (p_low IS NULL OR mongo_id >= p_low)
                 AND (p_high IS NULL OR mongo_id < p_high OR (p_low IS NULL AND mongo_id IS NULL)))
                     AS t
      ON t.mongo_id = i.mongo_id;
END;
COMMENT ON FUNCTION pgtandem_subtasks.compared(text, text) IS
    'Every key of image and target in a range of mongo_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Source: the mapping "subtasks".';

CREATE FUNCTION pgtandem_subtasks.compared_keys(p_keys jsonb) RETURNS TABLE (
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
                    OR i.parent_task_id IS DISTINCT FROM t.parent_task_id
                    OR i.variable_indices IS DISTINCT FROM t.variable_indices
                    OR i.variable_types_map IS DISTINCT FROM t.variable_types_map
                    OR i.type_to_variable IS DISTINCT FROM t.type_to_variable
                    OR i.status IS DISTINCT FROM t.status
                    OR i.result IS DISTINCT FROM t.result
                    OR i.error IS DISTINCT FROM t.error
                    OR i.retry_count IS DISTINCT FROM t.retry_count
                    OR i.prompts IS DISTINCT FROM t.prompts
                    OR i.ratio IS DISTINCT FROM t.ratio
                    OR i.seed IS DISTINCT FROM t.seed
                    OR i.use_polish IS DISTINCT FROM t.use_polish
                    OR i.created_at IS DISTINCT FROM t.created_at
                    OR i.updated_at IS DISTINCT FROM t.updated_at),
           array_remove(ARRAY[CASE WHEN i.id IS DISTINCT FROM t.id THEN 'id' END,
                              CASE WHEN i.parent_task_id IS DISTINCT FROM t.parent_task_id
                                  THEN 'parent_task_id' END,
                              CASE WHEN i.variable_indices IS DISTINCT FROM t.variable_indices
                                  THEN 'variable_indices' END,
                              CASE WHEN i.variable_types_map IS DISTINCT FROM t.variable_types_map
                                  THEN 'variable_types_map' END,
                              CASE WHEN i.type_to_variable IS DISTINCT FROM t.type_to_variable
                                  THEN 'type_to_variable' END,
                              CASE WHEN i.status IS DISTINCT FROM t.status THEN 'status' END,
                              CASE WHEN i.result IS DISTINCT FROM t.result THEN 'result' END,
                              CASE WHEN i.error IS DISTINCT FROM t.error THEN 'error' END,
                              CASE WHEN i.retry_count IS DISTINCT FROM t.retry_count
                                  THEN 'retry_count' END,
                              CASE WHEN i.prompts IS DISTINCT FROM t.prompts THEN 'prompts' END,
                              CASE WHEN i.ratio IS DISTINCT FROM t.ratio THEN 'ratio' END,
                              CASE WHEN i.seed IS DISTINCT FROM t.seed THEN 'seed' END,
                              CASE WHEN i.use_polish IS DISTINCT FROM t.use_polish
                                  THEN 'use_polish' END,
                              CASE WHEN i.created_at IS DISTINCT FROM t.created_at
                                  THEN 'created_at' END,
                              CASE WHEN i.updated_at IS DISTINCT FROM t.updated_at
                              THEN 'updated_at' END], NULL),
           jsonb_build_object('mongo_id', i.mongo_id::text, 'id', i.id::text,
                              'parent_task_id', i.parent_task_id::text,
                              'variable_indices', i.variable_indices::text,
                              'variable_types_map', i.variable_types_map::text,
                              'type_to_variable', i.type_to_variable::text,
                              'status', i.status::text, 'result', i.result::text,
                              'error', i.error::text, 'retry_count', i.retry_count::text,
                              'prompts', i.prompts::text, 'ratio', i.ratio::text,
                              'seed', i.seed::text, 'use_polish', i.use_polish::text,
                              'created_at', i.created_at::text, 'updated_at', i.updated_at::text),
           jsonb_build_object('mongo_id', t.mongo_id::text, 'id', t.id::text,
                              'parent_task_id', t.parent_task_id::text,
                              'variable_indices', t.variable_indices::text,
                              'variable_types_map', t.variable_types_map::text,
                              'type_to_variable', t.type_to_variable::text,
                              'status', t.status::text, 'result', t.result::text,
                              'error', t.error::text, 'retry_count', t.retry_count::text,
                              'prompts', t.prompts::text, 'ratio', t.ratio::text,
                              'seed', t.seed::text, 'use_polish', t.use_polish::text,
                              'created_at', t.created_at::text, 'updated_at', t.updated_at::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    LEFT JOIN pgtandem_subtasks.image AS i
      ON i.mongo_id = (k.key ->> 0)::text
    LEFT JOIN app.subtasks AS t
      ON t.mongo_id = (k.key ->> 0)::text;
END;
COMMENT ON FUNCTION pgtandem_subtasks.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_subtasks.measure_chunk(
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
            INSERT INTO pgtandem_subtasks.measured_target AS t
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
            INSERT INTO pgtandem_subtasks.measured_target
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
            INSERT INTO pgtandem_subtasks.measured_target
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
              AND NOT EXISTS (SELECT FROM pgtandem_subtasks.measured_target AS t
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
REVOKE ALL ON FUNCTION pgtandem_subtasks.measure_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_subtasks.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

-- Not bound to what it reads: a table or a column may go without it.
CREATE OR REPLACE FUNCTION pgtandem_subtasks.checked(p_name text DEFAULT NULL)
RETURNS TABLE (name text, found jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $checked$
    SELECT 'parent_missing', to_jsonb(q) FROM (
        SELECT s.mongo_id, s.parent_task_id FROM app.subtasks AS s WHERE NOT EXISTS (SELECT
        FROM app.tasks AS t WHERE t.id = s.parent_task_id)
    ) AS q
    WHERE p_name IS NULL OR p_name = 'parent_missing'
    UNION ALL
    SELECT 'status_unknown', to_jsonb(q) FROM (
        SELECT mongo_id, status FROM app.subtasks WHERE status IS NULL OR status NOT IN ('pending',
        'processing', 'completed', 'failed', 'cancelled')
    ) AS q
    WHERE p_name IS NULL OR p_name = 'status_unknown'
    UNION ALL
    SELECT 'out_of_range', to_jsonb(q) FROM (
        SELECT mongo_id, retry_count, ratio,
            cardinality(variable_indices) AS indices FROM app.subtasks WHERE retry_count < 0
            OR ratio !~ '^[1-9][0-9]*:[1-9][0-9]*$' OR cardinality(variable_indices) <> 6
    ) AS q
    WHERE p_name IS NULL OR p_name = 'out_of_range'
    UNION ALL
    SELECT 'times_reversed', to_jsonb(q) FROM (
        SELECT mongo_id, created_at, updated_at FROM app.subtasks WHERE updated_at < created_at
    ) AS q
    WHERE p_name IS NULL OR p_name = 'times_reversed'
    UNION ALL
    SELECT 'unfit_documents', to_jsonb(q) FROM (
        SELECT source._id AS _id, f.path, f.value, f.flaw
        FROM staging.subtasks AS source,
             LATERAL (VALUES
               ('id', nullif(source.document -> 'id', '""'),
                pgtandem.mongo_flaw(nullif(source.document -> 'id', '""'), 'uuid', 'string')),
               ('parent_task_id', source.document -> 'parent_task_id',
                pgtandem.mongo_flaw(source.document -> 'parent_task_id', 'uuid', 'string')),
               ('variable_indices', source.document -> 'variable_indices',
                pgtandem.mongo_flaw(source.document -> 'variable_indices', 'integer[]', 'number')),
               ('status', source.document -> 'status',
                pgtandem.mongo_flaw(source.document -> 'status', 'text', 'string')),
               ('error', source.document -> 'error', pgtandem.mongo_flaw(source.document -> 'error',
                'text', 'string')),
               ('retry_count', source.document -> 'retry_count',
                pgtandem.mongo_flaw(source.document -> 'retry_count', 'integer', 'number')),
               ('ratio', source.document -> 'ratio', pgtandem.mongo_flaw(source.document -> 'ratio',
                'text', 'string')),
               ('seed', source.document -> 'seed', pgtandem.mongo_flaw(source.document -> 'seed',
                'bigint', 'number')),
               ('use_polish', source.document -> 'use_polish',
                pgtandem.mongo_flaw(source.document -> 'use_polish', 'boolean', 'boolean')),
               ('created_at', source.document -> 'created_at',
                pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date')),
               ('updated_at', source.document -> 'updated_at',
                pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date'))
             ) AS f (path, value, flaw)
        WHERE f.flaw IS NOT NULL
    ) AS q
    WHERE p_name IS NULL OR p_name = 'unfit_documents'
    UNION ALL
    SELECT 'unread_fields', to_jsonb(q) FROM (
        SELECT u.path, count(*) AS documents, min(source._id) AS example
        FROM staging.subtasks AS source,
             pgtandem.mongo_unread(source.document,
               '{"_id": true, "id": true, "parent_task_id": true, "variable_indices": true, '
               '"variable_types_map": true, "type_to_variable": true, "status": true, "result": '
               'true, "error": true, "retry_count": true, "prompts": true, "ratio": true, "seed": '
               'true, "use_polish": true, "created_at": true, "updated_at": true, "__v": true}')
               AS u (path)
        GROUP BY u.path ORDER BY u.path
    ) AS q
    WHERE p_name IS NULL OR p_name = 'unread_fields'
$checked$;
COMMENT ON FUNCTION pgtandem_subtasks.checked(text) IS
    'The checks of the mapping, or one of them: a row for each thing that is wrong. They are '
    'parent_missing, status_unknown, out_of_range, times_reversed, unfit_documents, unread_fields.';

DO $do$
BEGIN
    PERFORM pgtandem.require_old_view('app.subtasks_documents', 'subtasks');
END;
$do$;
CREATE OR REPLACE VIEW app.subtasks_documents AS
SELECT t.mongo_id AS _id,
       jsonb_build_object(
           '_id', pgtandem.mongo_json(t.mongo_id::jsonb),
           'id', t.id,
           'parent_task_id', t.parent_task_id,
           'variable_indices', t.variable_indices,
           'variable_types_map', t.variable_types_map,
           'type_to_variable', t.type_to_variable,
           'status', t.status,
           'result', t.result,
           'error', t.error,
           'retry_count', t.retry_count,
           'prompts', t.prompts,
           'ratio', t.ratio,
           'seed', t.seed,
           'use_polish', t.use_polish,
           'created_at', pgtandem.mongo_date(t.created_at),
           'updated_at', pgtandem.mongo_date(t.updated_at)
       ) AS document
FROM app.subtasks AS t;
COMMENT ON VIEW app.subtasks_documents IS
    'The rows of app.subtasks in the shape of the documents that they come from, as relaxed '
    'Extended JSON. Rendered from the mapping "subtasks".';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'subtasks',
        'd309b5ec03c0fbc01ac859c9d1e87692d1d779810f3e5a95e25db2cd96da1fa4',
        'staging.subtasks',
        'app.subtasks',
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
    "parent_missing",
    "status_unknown",
    "out_of_range",
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
