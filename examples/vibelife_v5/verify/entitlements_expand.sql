-- Verify vibelife_v5:entitlements_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "entitlements", SHA-256 a200350507da86f8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT user_id, current_tier, subscription_id,
    tier_expires_at FROM pgtandem_entitlements.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_entitlements.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_entitlements.compared_keys('[]');
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('entitlements',
        'a200350507da86f88f504abd617bdf1d9f00087f017235c8448002b9620c2642');
END;
$do$;

ROLLBACK;
