-- Verify vibelife_v5:journey_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "journey", SHA-256 babeb2c3dddf5b25.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('journey',
        'babeb2c3dddf5b25d1d69a3bbc81e033a3146af85c144076c79a6ef357021355');
    IF (pgtandem.mapping_of('journey')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('vibelife.vibe_users', '!pgtandem_journey_pre_image');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users', '~pgtandem_journey_restore');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users', '~pgtandem_journey_keep');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users', '~pgtandem_journey_write');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users', '~pgtandem_journey_update');
    PERFORM pgtandem.require_trigger('vibelife.conversations', 'pgtandem_journey_conversation');
    PERFORM pgtandem.require_trigger('vibelife.messages', 'pgtandem_journey_message');
    PERFORM pgtandem.require_trigger('vibelife.payments', 'pgtandem_journey_payment');
    PERFORM pgtandem.require_trigger('vibelife.conversations',
                                     'pgtandem_journey_conversation_truncate');
    PERFORM pgtandem.require_trigger('vibelife.messages', 'pgtandem_journey_message_truncate');
    PERFORM pgtandem.require_trigger('vibelife.payments', 'pgtandem_journey_payment_truncate');
    PERFORM pgtandem.require_last('vibelife.vibe_users', '~pgtandem_journey_keep');
END;
$do$;

ROLLBACK;
