-- Verify gear:gear_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 2365b830fc81eb86.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('gear',
        '2365b830fc81eb869f9fdf9410f749d86fef20ecc58d4e314c12699e8f61097a');
    IF (pgtandem.mapping_of('gear')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('user_core.old_equipment', 'pgtandem_gear_write');
    PERFORM pgtandem.require_trigger('user_core.old_equipment', 'pgtandem_gear_update');
    PERFORM pgtandem.require_trigger('user_core.old_equipment', 'pgtandem_gear_truncate');
    PERFORM pgtandem.require_trigger('gear_ops.gear_items', 'pgtandem_gear_back_write');
    PERFORM pgtandem.require_trigger('gear_ops.gear_items', 'pgtandem_gear_back_update');
    PERFORM pgtandem.require_trigger('gear_ops.gear_items', 'pgtandem_gear_truncate');
END;
$do$;

ROLLBACK;
