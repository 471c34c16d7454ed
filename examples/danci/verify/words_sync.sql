-- Verify danci:words_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "words", SHA-256 fee836745fc5b7b8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('words',
        'fee836745fc5b7b8b66bff7ff8b66d150c825359979a42c0f17bebfefbe55351');
    IF (pgtandem.mapping_of('words')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('danci.word_learning_states', '!pgtandem_words_pre_image');
    PERFORM pgtandem.require_trigger('danci.word_learning_states', '~pgtandem_words_restore');
    PERFORM pgtandem.require_trigger('danci.word_scores', 'pgtandem_words_write');
    PERFORM pgtandem.require_trigger('danci.word_scores', 'pgtandem_words_update');
    PERFORM pgtandem.require_trigger('danci.answer_records', 'pgtandem_words_answer');
    PERFORM pgtandem.require_trigger('danci.word_scores', 'pgtandem_words_truncate');
    PERFORM pgtandem.require_trigger('danci.answer_records', 'pgtandem_words_answer_truncate');
    PERFORM pgtandem.require_deletable('danci.word_scores', 'danci.word_learning_states');
END;
$do$;

ROLLBACK;
