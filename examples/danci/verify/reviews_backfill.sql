-- Verify danci:reviews_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "reviews", SHA-256 0edc86a612bd6546.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('reviews',
        '0edc86a612bd654654dc221cbaca2083e8f0440ddc579f280f22330ad6fce23b');
    PERFORM pgtandem.require_complete('reviews');
END;
$do$;

ROLLBACK;
