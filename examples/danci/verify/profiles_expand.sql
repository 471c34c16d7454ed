-- Verify danci:profiles_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "profiles", SHA-256 dd5660c2f7fb8aa9.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT user_id, attention, fatigue, motivation, memory, speed, stability, trend, created_at,
    updated_at FROM pgtandem_profiles.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_profiles.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_profiles.compared_keys('[]');
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('profiles',
        'dd5660c2f7fb8aa956a39879f3ac574bb822a0b421314845d23e5ee1e6a2d178');
END;
$do$;

ROLLBACK;
