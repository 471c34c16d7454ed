-- Verify vibelife_v5:journey_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "journey", SHA-256 babeb2c3dddf5b25.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT vibe_id, journey_stage, journey_started_at,
    last_active_at FROM pgtandem_journey.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_journey.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_journey.compared_keys('[]');
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('journey',
        'babeb2c3dddf5b25d1d69a3bbc81e033a3146af85c144076c79a6ef357021355');
END;
$do$;

ROLLBACK;
