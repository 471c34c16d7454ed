-- Deploy vibelife_v5:v5_flags to pg
-- requires: v5_columns pgtandem:cohort
--
-- The plan's five flags, all off, with its stages 1, 5, 20 and 100 percent; and its cohorts as
-- functions, for you to add to a flag. Each of a flag's cohorts has it at any percentage:
--
--     pgtandem rollout cohort v5_memory vibelife.has_paid
--
-- A flag that somebody has made already is left as it is. Locks nothing.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

CREATE OR REPLACE FUNCTION vibelife.user_of(p_user text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN p_user ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN p_user::uuid END;
COMMENT ON FUNCTION vibelife.user_of(text) IS
    'The user whom a flag is asked for; NULL where that is no UUID in its canonical form.';

CREATE OR REPLACE FUNCTION vibelife.has_paid(p_user text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT
      FROM vibelife.payments
     WHERE user_id = vibelife.user_of(p_user) AND status = 'completed'
);
COMMENT ON FUNCTION vibelife.has_paid(text) IS
    'Cohort: users with a completed payment that was not refunded. Reads payments_user_id_idx.';

CREATE OR REPLACE FUNCTION vibelife.is_active(p_user text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT
      FROM vibelife.vibe_users
     WHERE vibe_id = vibelife.user_of(p_user)
       AND last_active_at >= (now() AT TIME ZONE 'UTC') - interval '30 days'
);
COMMENT ON FUNCTION vibelife.is_active(text) IS
    'Cohort: users who did something within the last thirty days. Reads one row by its key.';

CREATE OR REPLACE FUNCTION vibelife.is_new(p_user text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT
      FROM vibelife.vibe_users
     WHERE vibe_id = vibelife.user_of(p_user)
       AND created_at >= (now() AT TIME ZONE 'UTC') - interval '7 days'
);
COMMENT ON FUNCTION vibelife.is_new(text) IS
    'Cohort: users who registered within the last week. Reads one row by its key.';

DO $$
DECLARE
    v_flag text;
BEGIN
    FOREACH v_flag IN ARRAY ARRAY[
        'v5_rituals', 'v5_memory', 'v5_prism', 'v5_journey', 'v5_subscription'
    ] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pgtandem.flag WHERE name = v_flag);
        PERFORM pgtandem.set_flag(v_flag, 'off', 'v5_flags');
        PERFORM pgtandem.set_stages(v_flag, '{1, 5, 20, 100}', 'v5_flags');
    END LOOP;

    -- The application may ask, and no more.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app') THEN
        GRANT USAGE ON SCHEMA pgtandem TO new_app;
        GRANT EXECUTE ON FUNCTION pgtandem.enabled(text, text), pgtandem.enabled(text, uuid)
           TO new_app;
    END IF;
END;
$$;

COMMIT;
