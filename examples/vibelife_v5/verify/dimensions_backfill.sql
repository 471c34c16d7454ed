-- Verify vibelife_v5:dimensions_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "dimensions", SHA-256 eb395e273c45a219.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('dimensions',
        'eb395e273c45a21931fc8ff1ea70e313dd936e9da0aeb0578c7c4a3605c4af77');
    PERFORM pgtandem.require_complete('dimensions');
END;
$do$;

ROLLBACK;
