-- Verify mongo_tasks:subtasks_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "subtasks", SHA-256 d309b5ec03c0fbc0.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('subtasks',
        'd309b5ec03c0fbc01ac859c9d1e87692d1d779810f3e5a95e25db2cd96da1fa4');
    IF (pgtandem.mapping_of('subtasks')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('staging.subtasks', 'pgtandem_subtasks_write');
    PERFORM pgtandem.require_trigger('staging.subtasks', 'pgtandem_subtasks_update');
    PERFORM pgtandem.require_trigger('staging.subtasks', 'pgtandem_subtasks_truncate');
    PERFORM pgtandem.require_immediate('app.subtasks');
END;
$do$;

ROLLBACK;
