-- Verify danci:profiles_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "profiles", SHA-256 dd5660c2f7fb8aa9.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('profiles',
        'dd5660c2f7fb8aa956a39879f3ac574bb822a0b421314845d23e5ee1e6a2d178');
    PERFORM pgtandem.require_complete('profiles');
END;
$do$;

ROLLBACK;
