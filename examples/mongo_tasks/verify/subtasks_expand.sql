-- Verify mongo_tasks:subtasks_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "subtasks", SHA-256 d309b5ec03c0fbc0.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT mongo_id, rating, evaluate, id, parent_task_id, variable_indices, variable_types_map,
    type_to_variable, status, result, error, retry_count, prompts, ratio, seed, use_polish,
    created_at, updated_at FROM pgtandem_subtasks.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_subtasks.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_subtasks.compared_keys('[]');
SELECT name, found FROM pgtandem_subtasks.checked('') WHERE false;
SELECT _id, document FROM app.subtasks_documents WHERE false;
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('subtasks',
        'd309b5ec03c0fbc01ac859c9d1e87692d1d779810f3e5a95e25db2cd96da1fa4');
END;
$do$;

ROLLBACK;
