-- Revert danci:words_expand from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 fee836745fc5b7b8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Forgets the mapping. Both tables stay as they are, with all their rows.
--
-- Locks: nothing for longer than writing the catalogs.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT NOT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'words' AND phase IN ('expand', 'sync', 'backfill', 'contract')
       ) AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.forget_mapping('words');
END;
$do$;
DROP FUNCTION pgtandem_words.measure_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_words.compared_keys(jsonb);
DROP FUNCTION pgtandem_words.compared(uuid, uuid);
DROP VIEW pgtandem_words.image_of_key;
DROP VIEW pgtandem_words.image;
DROP SCHEMA pgtandem_words;

COMMIT;
