-- Verify danci:words_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 fee836745fc5b7b8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT user_id, word_id, mastery_level, review_count, interval_days, last_review_date,
    next_review_date FROM pgtandem_words.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_words.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_words.compared_keys('[]');
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('words',
        'fee836745fc5b7b8b66bff7ff8b66d150c825359979a42c0f17bebfefbe55351');
END;
$do$;

ROLLBACK;
