-- Verify gear:gear_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('gear',
        '373e1b796fb300fcbf1939201bb4457feba818ec39a25cbd2e39a091df82ed25');
    IF (pgtandem.mapping_of('gear')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('user_core.old_equipment', 'pgtandem_gear_write');
    PERFORM pgtandem.require_trigger('user_core.old_equipment', 'pgtandem_gear_update');
    PERFORM pgtandem.require_trigger('gear_ops.gear_items', 'pgtandem_gear_back_write');
    PERFORM pgtandem.require_trigger('gear_ops.gear_items', 'pgtandem_gear_back_update');
    PERFORM pgtandem.require_trigger('user_core.old_equipment', 'pgtandem_gear_truncate');
    PERFORM pgtandem.require_trigger('gear_ops.gear_items', 'pgtandem_gear_truncate');
    PERFORM pgtandem.require_immediate('gear_ops.gear_items');
END;
$do$;

ROLLBACK;
