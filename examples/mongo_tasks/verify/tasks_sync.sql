-- Verify mongo_tasks:tasks_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "tasks", SHA-256 cf1f779454bd3363.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('tasks',
        'cf1f779454bd3363d2d21ab93b69151579ab7d12e67fa6a499ffda2904ef8dce');
    IF (pgtandem.mapping_of('tasks')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('staging.tasks', 'pgtandem_tasks_write');
    PERFORM pgtandem.require_trigger('staging.tasks', 'pgtandem_tasks_update');
    PERFORM pgtandem.require_trigger('staging.tasks', 'pgtandem_tasks_truncate');
    PERFORM pgtandem.require_immediate('app.tasks');
END;
$do$;

ROLLBACK;
