-- Verify mongo_tasks:app_tables on pg
--
-- Each statement raises where something is missing.

BEGIN;

SELECT id, mongo_id, email, hashed_password, fullname, roles, is_active, created_at, updated_at
  FROM app.users
 WHERE false;

SELECT id, mongo_id, task_name, username, tags, variables, settings, status, created_at,
       updated_at, total_images, all_subtasks_completed, is_deleted, priority
  FROM app.tasks
 WHERE false;

SELECT id, mongo_id, parent_task_id, variable_indices, variable_types_map, type_to_variable,
       status, result, error, retry_count, prompts, ratio, seed, use_polish, created_at,
       updated_at, rating, evaluate
  FROM app.subtasks
 WHERE false;

DO $$
DECLARE
    v_wrong text;
BEGIN
    SELECT string_agg(i.name, ', ' ORDER BY i.name)
      INTO v_wrong
      FROM (VALUES ('users_pkey'), ('users_mongo_id_key'), ('users_email_idx'), ('tasks_pkey'),
                   ('tasks_mongo_id_key'), ('tasks_username_idx'), ('subtasks_pkey'),
                   ('subtasks_mongo_id_key'), ('subtasks_parent_task_id_idx')) AS i (name)
     WHERE NOT EXISTS (
               SELECT
                 FROM pg_catalog.pg_index AS x
                WHERE x.indexrelid = to_regclass('app.' || i.name)
                  AND x.indisvalid
           );
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'indexes are missing or invalid in schema app'
            USING ERRCODE = 'undefined_object', DETAIL = v_wrong;
    END IF;
END;
$$;

ROLLBACK;
