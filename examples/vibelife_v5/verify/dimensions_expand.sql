-- Verify vibelife_v5:dimensions_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "dimensions", SHA-256 eb395e273c45a219.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT user_id, dimension_type, raw_data, is_unlocked,
    unlocked_at FROM pgtandem_dimensions.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_dimensions.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_dimensions.compared_keys('[]');
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('dimensions',
        'eb395e273c45a21931fc8ff1ea70e313dd936e9da0aeb0578c7c4a3605c4af77');
END;
$do$;

ROLLBACK;
