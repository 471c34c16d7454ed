-- Verify mongo_tasks:tasks_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('tasks',
        'cf1f779454bd3363d2d21ab93b69151579ab7d12e67fa6a499ffda2904ef8dce');
    PERFORM pgtandem.require_complete('tasks');
END;
$do$;

ROLLBACK;
