-- Verify vibelife_v5:journey_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "journey", SHA-256 babeb2c3dddf5b25.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('journey',
        'babeb2c3dddf5b25d1d69a3bbc81e033a3146af85c144076c79a6ef357021355');
    PERFORM pgtandem.require_complete('journey');
END;
$do$;

ROLLBACK;
