-- Verify vibelife_v5:dimensions_sync on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "dimensions", SHA-256 eb395e273c45a219.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a trigger is missing or does not fire, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('dimensions',
        'eb395e273c45a21931fc8ff1ea70e313dd936e9da0aeb0578c7c4a3605c4af77');
    IF (pgtandem.mapping_of('dimensions')).phase = 'contract' THEN
        RETURN;  -- which has taken the triggers away
    END IF;
    PERFORM pgtandem.require_trigger('vibelife.user_profiles', 'pgtandem_dimensions_write');
    PERFORM pgtandem.require_trigger('vibelife.user_profiles', 'pgtandem_dimensions_update');
    PERFORM pgtandem.require_trigger('vibelife.user_profiles', 'pgtandem_dimensions_truncate');
    PERFORM pgtandem.require_deletable('vibelife.user_profiles', 'vibelife.dimension_profiles');
END;
$do$;

ROLLBACK;
