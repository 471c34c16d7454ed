-- Verify mongo_tasks:tasks_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT mongo_id, id, task_name, username, tags, variables, settings, status, created_at, updated_at,
    total_images, all_subtasks_completed, is_deleted,
    priority FROM pgtandem_tasks.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_tasks.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_tasks.compared_keys('[]');
SELECT name, found FROM pgtandem_tasks.checked('') WHERE false;
SELECT _id, document FROM app.tasks_documents WHERE false;
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('tasks',
        'cf1f779454bd3363d2d21ab93b69151579ab7d12e67fa6a499ffda2904ef8dce');
END;
$do$;

ROLLBACK;
