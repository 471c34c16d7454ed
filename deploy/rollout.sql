-- Deploy pgtandem:rollout to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.flag') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.flag (
    name       text PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 500),
    state      text NOT NULL CHECK (state IN ('off', 'on', 'percentage')),
    percentage integer NOT NULL CHECK (percentage BETWEEN 0 AND 100),
    stages     integer[] NOT NULL DEFAULT '{1, 5, 20, 100}',
    cohorts    text[] NOT NULL DEFAULT '{}',
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL DEFAULT session_user,
    CHECK (CASE state WHEN 'off' THEN percentage = 0 WHEN 'on' THEN percentage = 100 ELSE true END)
);
COMMENT ON TABLE pgtandem.flag IS
    'The feature flags. pgtandem.set_flag and its like change them, and write flag_change.';
COMMENT ON COLUMN pgtandem.flag.name IS 'Name of the flag, as the application asks for it.';
COMMENT ON COLUMN pgtandem.flag.state IS
    'off: for everybody. on: for all but the deny list. percentage: for the allow list, the '
    'cohorts, and so many percent of the others.';
COMMENT ON COLUMN pgtandem.flag.percentage IS
    'How many of the 100 buckets have it; 0 where it is off, 100 where it is on.';
COMMENT ON COLUMN pgtandem.flag.stages IS 'The percentages that next_stage goes through.';
COMMENT ON COLUMN pgtandem.flag.cohorts IS
    'Functions that say of a user whether he has the flag, as schema.name.';
COMMENT ON COLUMN pgtandem.flag.changed_at IS
    'When the state, percentage, stages, lists or cohorts last changed.';
COMMENT ON COLUMN pgtandem.flag.changed_by IS 'session_user of who did it.';

CREATE TABLE pgtandem.flag_user (
    flag    text NOT NULL REFERENCES pgtandem.flag ON DELETE CASCADE,
    user_id text NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 1000),
    list    text NOT NULL CHECK (list IN ('allow', 'deny')),
    PRIMARY KEY (flag, user_id)
);
COMMENT ON TABLE pgtandem.flag_user IS 'The users on the allow list or the deny list of a flag.';
COMMENT ON COLUMN pgtandem.flag_user.flag IS 'Name of the flag.';
COMMENT ON COLUMN pgtandem.flag_user.user_id IS 'The user as text, as pgtandem.enabled gets it.';
COMMENT ON COLUMN pgtandem.flag_user.list IS 'allow or deny; a user is on one list at most.';

CREATE TABLE pgtandem.flag_change (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    flag        text NOT NULL,
    what        text NOT NULL CHECK (what IN ('state', 'stages', 'user', 'cohort')),
    subject     text,
    old         text,
    new         text,
    role        text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT coalesce(current_setting('application_name', true), ''),
    reason      text
);
CREATE INDEX flag_change_flag_idx ON pgtandem.flag_change (flag, id);
COMMENT ON TABLE pgtandem.flag_change IS
    'Who changed which flag, when, from what to what, and why. Kept when the flag is dropped.';
COMMENT ON COLUMN pgtandem.flag_change.id IS 'Order of the changes of a flag.';
COMMENT ON COLUMN pgtandem.flag_change.changed_at IS 'Wall clock when it was written.';
COMMENT ON COLUMN pgtandem.flag_change.flag IS 'Name of the flag; no foreign key, to outlive it.';
COMMENT ON COLUMN pgtandem.flag_change.what IS 'What changed: state, stages, user or cohort.';
COMMENT ON COLUMN pgtandem.flag_change.subject IS 'The user or the cohort; else NULL.';
COMMENT ON COLUMN pgtandem.flag_change.old IS 'What it was; NULL where there was none.';
COMMENT ON COLUMN pgtandem.flag_change.new IS 'What it is now; NULL where there is none any more.';
COMMENT ON COLUMN pgtandem.flag_change.role IS 'session_user of who did it.';
COMMENT ON COLUMN pgtandem.flag_change.application IS 'application_name of who did it.';
COMMENT ON COLUMN pgtandem.flag_change.reason IS 'Why, in the words of who did it.';

CREATE FUNCTION pgtandem.bucket(p_user text) RETURNS integer
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hash bit(128) := ('x' || md5(convert_to(p_user, 'UTF8')))::bit(128);
BEGIN
    -- 128 bits do not fit into a bigint, so 32 at a time: 2 ^ 32 is 96, modulo 100.
    RETURN (((substring(v_hash FROM 1 FOR 32)::bigint
        % 100 * 96 + substring(v_hash FROM 33 FOR 32)::bigint)
        % 100 * 96 + substring(v_hash FROM 65 FOR 32)::bigint)
        % 100 * 96 + substring(v_hash FROM 97 FOR 32)::bigint) % 100;
END;
$$;
COMMENT ON FUNCTION pgtandem.bucket(text) IS
    'The bucket of a user, 0 to 99: MD5 of his UTF-8, as a number, modulo 100. In Python: '
    'int(md5(user.encode()).hexdigest(), 16) % 100.';

-- Written anew by pgtandem._bind_cohorts whenever a flag gets or loses a cohort.
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE FUNCTION pgtandem._in_cohort(p_cohort text, p_user text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT false;
END;
COMMENT ON FUNCTION pgtandem._in_cohort(text, text) IS
    'Whether a user is in a cohort. Bound to the functions of the cohorts, so none of them can be '
    'dropped or replaced by another while a flag uses it.';

CREATE FUNCTION pgtandem.flag_rule(p_flag text, p_user text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_state      text;
    v_percentage integer;
    v_cohorts    text[];
    v_list       text;
    v_cohort     text;
BEGIN
    SELECT state, percentage, cohorts INTO v_state, v_percentage, v_cohorts
    FROM pgtandem.flag WHERE name = p_flag;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF v_state = 'off' THEN
        RETURN 'off';
    END IF;
    v_list := (SELECT list FROM pgtandem.flag_user WHERE flag = p_flag AND user_id = p_user);
    IF v_list IS NOT NULL THEN
        RETURN v_list;
    ELSIF v_state = 'on' THEN
        RETURN 'on';
    ELSIF p_user IS NULL THEN
        RETURN 'outside';
    END IF;
    FOREACH v_cohort IN ARRAY v_cohorts LOOP
        IF pgtandem._in_cohort(v_cohort, p_user) THEN
            RETURN 'cohort ' || v_cohort;
        END IF;
    END LOOP;
    RETURN CASE WHEN pgtandem.bucket(p_user) < v_percentage THEN 'percentage' ELSE 'outside' END;
END;
$$;
COMMENT ON FUNCTION pgtandem.flag_rule(text, text) IS
    'Which rule decides whether a user has a flag; the first of these. It is off by: unknown '
    '(there is no such flag), off, deny; on by: allow, on, cohort NAME, percentage; off by: '
    'outside.';

CREATE FUNCTION pgtandem.enabled(p_flag text, p_user text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN pgtandem.flag_rule(p_flag, p_user) NOT IN ('unknown', 'off', 'deny', 'outside');
END;
$$;
COMMENT ON FUNCTION pgtandem.enabled(text, text) IS
    'Whether a user has a flag; false where there is no such flag. Without a user: whether it is '
    'on for everybody. Reads with its owner''s rights, so an application needs no table: GRANT '
    'USAGE ON SCHEMA pgtandem, EXECUTE ON this function.';
REVOKE EXECUTE ON FUNCTION pgtandem.enabled(text, text) FROM PUBLIC;

CREATE FUNCTION pgtandem.enabled(p_flag text, p_user uuid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pgtandem.enabled(p_flag, p_user::text);
END;
COMMENT ON FUNCTION pgtandem.enabled(text, uuid) IS
    'The same for a UUID, in its canonical form. Needs EXECUTE on enabled(text, text).';

CREATE FUNCTION pgtandem.enabled(p_flag text, p_user bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pgtandem.enabled(p_flag, p_user::text);
END;
COMMENT ON FUNCTION pgtandem.enabled(text, bigint) IS
    'The same for a number, in decimal digits. Needs EXECUTE on enabled(text, text).';

CREATE VIEW pgtandem.rollout_status AS
SELECT
    f.name AS flag,
    f.state,
    f.percentage::numeric AS percentage,
    count(u.user_id) FILTER (WHERE u.list = 'allow') AS allowed,
    count(u.user_id) FILTER (WHERE u.list = 'deny') AS denied,
    f.cohorts,
    f.stages,
    f.changed_at,
    f.changed_by
FROM pgtandem.flag AS f
LEFT JOIN pgtandem.flag_user AS u ON u.flag = f.name
GROUP BY f.name;
COMMENT ON VIEW pgtandem.rollout_status IS 'The flags, for people and dashboards.';
COMMENT ON COLUMN pgtandem.rollout_status.flag IS 'Name of the flag.';
COMMENT ON COLUMN pgtandem.rollout_status.state IS 'off, on or percentage.';
COMMENT ON COLUMN pgtandem.rollout_status.percentage IS '0 where it is off, 100 where it is on.';
COMMENT ON COLUMN pgtandem.rollout_status.allowed IS 'Users on the allow list.';
COMMENT ON COLUMN pgtandem.rollout_status.denied IS 'Users on the deny list.';
COMMENT ON COLUMN pgtandem.rollout_status.cohorts IS 'The functions that say who else has it.';
COMMENT ON COLUMN pgtandem.rollout_status.stages IS 'The percentages that next_stage goes through.';
COMMENT ON COLUMN pgtandem.rollout_status.changed_at IS 'When it last changed.';
COMMENT ON COLUMN pgtandem.rollout_status.changed_by IS 'session_user of who did it.';

COMMIT;
