-- Verify danci:words_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 fee836745fc5b7b8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('words',
        'fee836745fc5b7b8b66bff7ff8b66d150c825359979a42c0f17bebfefbe55351');
    PERFORM pgtandem.require_complete('words');
END;
$do$;

ROLLBACK;
