-- Verify gear:gear_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('gear',
        '373e1b796fb300fcbf1939201bb4457feba818ec39a25cbd2e39a091df82ed25');
    PERFORM pgtandem.require_complete('gear');
END;
$do$;

ROLLBACK;
