-- Verify gear:gear_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT id, user_id, name, category, brand, created_at, status, role,
    updated_at FROM pgtandem_gear.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_gear.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_gear.compared_keys('[]');
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('gear',
        '373e1b796fb300fcbf1939201bb4457feba818ec39a25cbd2e39a091df82ed25');
END;
$do$;

ROLLBACK;
