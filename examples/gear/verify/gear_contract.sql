-- Verify gear:gear_contract on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the archive or the view is missing, or of another mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('gear',
        '373e1b796fb300fcbf1939201bb4457feba818ec39a25cbd2e39a091df82ed25');
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
    PERFORM pgtandem.require_trigger('user_core_archive.old_equipment', 'pgtandem_gear_keep');
END;
$do$;

ROLLBACK;
