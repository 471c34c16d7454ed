-- Verify vibelife_v5:entitlements_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "entitlements", SHA-256 a200350507da86f8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('entitlements',
        'a200350507da86f88f504abd617bdf1d9f00087f017235c8448002b9620c2642');
    PERFORM pgtandem.require_complete('entitlements');
END;
$do$;

ROLLBACK;
