-- Verify danci:words_backfill on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 0acdd7f13498192a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the copy is not complete, or not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('words',
        '0acdd7f13498192ac0449aa7138afdbe660a180946dcfdcfaf0e008bebe4ed84');
    PERFORM pgtandem.require_complete('words');
END;
$do$;

ROLLBACK;
