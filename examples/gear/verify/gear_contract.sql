-- Verify gear:gear_contract on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 2365b830fc81eb86.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the archive or the view is missing, or of another mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('gear',
        '2365b830fc81eb869f9fdf9410f749d86fef20ecc58d4e314c12699e8f61097a');
END;
$do$;
SELECT id, user_id, name, type, brand, created_at,
    last_viewed_at FROM user_core.old_equipment WHERE false;
SELECT id, user_id, name, type, brand, created_at,
    last_viewed_at FROM user_core_archive.old_equipment WHERE false;
DO $do$
BEGIN
    PERFORM pgtandem.require_trigger('gear_ops.gear_items', 'pgtandem_gear_note_write');
    PERFORM pgtandem.require_trigger('gear_ops.gear_items', 'pgtandem_gear_note_update');
END;
$do$;

ROLLBACK;
