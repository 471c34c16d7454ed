-- Verify danci:reviews_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "reviews", SHA-256 0edc86a612bd6546.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT user_id, word_id, next_review_date FROM pgtandem_reviews.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_reviews.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_reviews.compared_keys('[]');
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('reviews',
        '0edc86a612bd654654dc221cbaca2083e8f0440ddc579f280f22330ad6fce23b');
END;
$do$;

ROLLBACK;
