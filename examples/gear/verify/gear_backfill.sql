-- Verify gear:gear_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 2365b830fc81eb86.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('gear',
        '2365b830fc81eb869f9fdf9410f749d86fef20ecc58d4e314c12699e8f61097a');
    PERFORM pgtandem.require_complete('gear');
END;
$do$;

ROLLBACK;
