-- Verify danci:reviews_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "reviews", SHA-256 0edc86a612bd6546.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('reviews',
        '0edc86a612bd654654dc221cbaca2083e8f0440ddc579f280f22330ad6fce23b');
    IF (pgtandem.mapping_of('reviews')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('danci.word_learning_states', '!pgtandem_reviews_pre_image');
    PERFORM pgtandem.require_trigger('danci.word_learning_states', '~pgtandem_reviews_restore');
    PERFORM pgtandem.require_trigger('danci.word_learning_states', '~pgtandem_reviews_keep');
    PERFORM pgtandem.require_last('danci.word_learning_states', '~pgtandem_reviews_keep');
END;
$do$;

ROLLBACK;
