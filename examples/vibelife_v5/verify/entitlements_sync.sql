-- Verify vibelife_v5:entitlements_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "entitlements", SHA-256 a200350507da86f8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('entitlements',
        'a200350507da86f88f504abd617bdf1d9f00087f017235c8448002b9620c2642');
    IF (pgtandem.mapping_of('entitlements')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('vibelife.vibe_users', 'pgtandem_entitlements_write');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users', 'pgtandem_entitlements_update');
    PERFORM pgtandem.require_trigger('vibelife.subscriptions',
                                     'pgtandem_entitlements_subscription');
    PERFORM pgtandem.require_trigger('vibelife.payments', 'pgtandem_entitlements_payment');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users', 'pgtandem_entitlements_truncate');
    PERFORM pgtandem.require_trigger('vibelife.subscriptions',
                                     'pgtandem_entitlements_subscription_truncate');
    PERFORM pgtandem.require_trigger('vibelife.payments', 'pgtandem_entitlements_payment_truncate');
    PERFORM pgtandem.require_deletable('vibelife.vibe_users', 'vibelife.user_entitlements');
END;
$do$;

ROLLBACK;
