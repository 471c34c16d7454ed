-- Revert vibelife_v5:v5_flags from pg
--
-- The flags go, and with them whatever they were set to: from now on nobody has them, as if they
-- were off. Their history stays in pgtandem.flag_change, and the application keeps the right to
-- ask, so that what is still running of version 5 gets an answer. Fails, and changes nothing, where
-- another flag has one of the cohorts. Locks nothing that an application uses.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM pgtandem.drop_flag(name, 'v5_flags reverted')
       FROM pgtandem.flag
      WHERE name IN ('v5_rituals', 'v5_memory', 'v5_prism', 'v5_journey', 'v5_subscription');
END;
$$;

DROP FUNCTION IF EXISTS vibelife.has_paid(text);
DROP FUNCTION IF EXISTS vibelife.is_active(text);
DROP FUNCTION IF EXISTS vibelife.is_new(text);
DROP FUNCTION IF EXISTS vibelife.user_of(text);

COMMIT;
