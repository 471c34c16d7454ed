-- Verify unified_profiles:unified_profiles_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
    PERFORM pgtandem.require_complete('unified_profiles');
END;
$do$;

ROLLBACK;
