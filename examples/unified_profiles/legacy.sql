-- The system as it was before the move: accounts with everything that was ever hung onto them in
-- vibe_users, and a young table of JSON documents beside it that other services live in already.
-- It stands for a database that you have.
--
--     psql -f legacy.sql
--
-- Runs as an ordinary owner who may create a schema in the database; grants to the roles old_app
-- and new_app where they exist (roles.sql). Fails, and changes nothing, where the schema vibelife
-- is there already.

\set ON_ERROR_STOP on

BEGIN;

CREATE SCHEMA vibelife;
COMMENT ON SCHEMA vibelife IS 'Accounts and profiles.';

CREATE FUNCTION vibelife.touch() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION vibelife.touch() IS 'Trigger: notes when a row was last written.';

CREATE TABLE vibelife.vibe_users (
    id                     uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    vibe_id                varchar(32)  NOT NULL UNIQUE,
    status                 varchar(20)  NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'guest', 'suspended', 'deleted')),
    -- Account, as people see it.
    display_name           varchar(100),
    avatar_url             text,
    email                  varchar(255) UNIQUE,
    phone                  varchar(32),
    email_verified         boolean,
    linked_providers       text[],
    -- Birth.
    birth_datetime         timestamp,
    birth_date             date,
    birth_time             time,
    birth_place            text,
    birth_latitude         numeric(9, 6)
        CONSTRAINT vibe_users_birth_latitude_check CHECK (birth_latitude BETWEEN -90 AND 90),
    birth_longitude        numeric(9, 6),
    birth_rectification    numeric,
    gender                 text
        CONSTRAINT vibe_users_gender_check CHECK (gender IN ('female', 'male', 'other')),
    -- Preferences.
    language               varchar(10)  NOT NULL DEFAULT 'zh-CN',
    timezone               text,
    notifications_enabled  boolean,
    reminder_time          time,
    reminder_days          integer[],
    session_minutes        integer,
    interests              text[],
    client_settings        jsonb,
    -- Billing.
    tier                   varchar(20)  NOT NULL DEFAULT 'free',
    daily_quota            integer      NOT NULL DEFAULT 10,
    billing_summary        jsonb,
    -- Deletion.
    deletion_requested_at  timestamptz,
    deletion_reason        text,
    deletion_scheduled_for date,
    deleted_at             timestamptz,
    -- Housekeeping.
    last_seen_at           timestamptz,
    created_at             timestamptz  NOT NULL DEFAULT now(),
    updated_at             timestamptz  NOT NULL DEFAULT now()
);
CREATE INDEX vibe_users_birth_date_idx ON vibelife.vibe_users (birth_date);
CREATE INDEX vibe_users_deletion_idx ON vibelife.vibe_users (deletion_requested_at)
 WHERE deletion_requested_at IS NOT NULL;
CREATE TRIGGER vibe_users_touch
    BEFORE UPDATE ON vibelife.vibe_users
    FOR EACH ROW EXECUTE FUNCTION vibelife.touch();
COMMENT ON TABLE vibelife.vibe_users IS
    'One row for each account, with all that was ever added to it; only eight columns shall stay.';
COMMENT ON INDEX vibelife.vibe_users_birth_date_idx IS 'Whose birthday it is.';
COMMENT ON INDEX vibelife.vibe_users_deletion_idx IS 'The nightly job that deletes accounts.';
COMMENT ON CONSTRAINT vibe_users_gender_check ON vibelife.vibe_users IS
    'What the sign-up form offers.';
COMMENT ON COLUMN vibelife.vibe_users.id IS 'Surrogate key; stays.';
COMMENT ON COLUMN vibelife.vibe_users.vibe_id IS
    'The number that people give to each other; stays.';
COMMENT ON COLUMN vibelife.vibe_users.status IS 'What the account may do; stays.';
COMMENT ON COLUMN vibelife.vibe_users.display_name IS 'As the person writes it; NULL for a guest.';
COMMENT ON COLUMN vibelife.vibe_users.avatar_url IS 'Where the picture is; NULL for none.';
COMMENT ON COLUMN vibelife.vibe_users.email IS
    'For signing in; unique as written, NULL for a guest.';
COMMENT ON COLUMN vibelife.vibe_users.phone IS 'For signing in, with its country.';
COMMENT ON COLUMN vibelife.vibe_users.email_verified IS
    'Whether the address answered; NULL: never asked.';
COMMENT ON COLUMN vibelife.vibe_users.linked_providers IS 'Google, Apple, WeChat and the like.';
COMMENT ON COLUMN vibelife.vibe_users.birth_datetime IS
    'Date and time of birth by the clocks of the place, which no time zone names well.';
COMMENT ON COLUMN vibelife.vibe_users.birth_date IS 'Date of birth where the time is not known.';
COMMENT ON COLUMN vibelife.vibe_users.birth_time IS 'Time of birth; 24:00 occurs.';
COMMENT ON COLUMN vibelife.vibe_users.birth_place IS 'As the person wrote it.';
COMMENT ON COLUMN vibelife.vibe_users.birth_latitude IS 'Degrees, north is positive.';
COMMENT ON COLUMN vibelife.vibe_users.birth_longitude IS 'Degrees, east is positive.';
COMMENT ON COLUMN vibelife.vibe_users.birth_rectification IS
    'Minutes by which the time of birth was corrected, with all digits that were given.';
COMMENT ON COLUMN vibelife.vibe_users.gender IS 'As the sign-up form offers it.';
COMMENT ON COLUMN vibelife.vibe_users.language IS 'In which to answer; everybody has one.';
COMMENT ON COLUMN vibelife.vibe_users.timezone IS 'Name of the time zone.';
COMMENT ON COLUMN vibelife.vibe_users.notifications_enabled IS 'NULL: never asked.';
COMMENT ON COLUMN vibelife.vibe_users.reminder_time IS 'When to remind, in timezone.';
COMMENT ON COLUMN vibelife.vibe_users.reminder_days IS 'On which days of the week, 1 is Monday.';
COMMENT ON COLUMN vibelife.vibe_users.session_minutes IS 'How long a session shall last.';
COMMENT ON COLUMN vibelife.vibe_users.interests IS 'Tags; the empty array: asked, and none.';
COMMENT ON COLUMN vibelife.vibe_users.client_settings IS 'Whatever the clients want to keep.';
COMMENT ON COLUMN vibelife.vibe_users.tier IS 'What was paid for; stays.';
COMMENT ON COLUMN vibelife.vibe_users.daily_quota IS 'Messages a day; stays.';
COMMENT ON COLUMN vibelife.vibe_users.billing_summary IS 'Copied here by billing; stays.';
COMMENT ON COLUMN vibelife.vibe_users.deletion_requested_at IS
    'When the person asked to be deleted.';
COMMENT ON COLUMN vibelife.vibe_users.deletion_reason IS 'As the person wrote it.';
COMMENT ON COLUMN vibelife.vibe_users.deletion_scheduled_for IS 'From which day on to delete.';
COMMENT ON COLUMN vibelife.vibe_users.deleted_at IS 'When the account was emptied.';
COMMENT ON COLUMN vibelife.vibe_users.last_seen_at IS
    'Housekeeping, written on each request; is not carried over.';
COMMENT ON COLUMN vibelife.vibe_users.created_at IS 'When the account was made; stays.';
COMMENT ON COLUMN vibelife.vibe_users.updated_at IS 'When the row was last written; stays.';

CREATE TABLE vibelife.unified_profiles (
    user_id    uuid        PRIMARY KEY REFERENCES vibelife.vibe_users (id) ON DELETE CASCADE,
    profile    jsonb       NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vibelife.unified_profiles IS
    'One document for each user who has used a skill so far; goes with its user.';
COMMENT ON COLUMN vibelife.unified_profiles.user_id IS 'The user.';
COMMENT ON COLUMN vibelife.unified_profiles.profile IS
    'skill_data and life_context, written by the skills at any time; account.display_name since '
    'migration 019; and whatever else services keep there.';
COMMENT ON COLUMN vibelife.unified_profiles.created_at IS 'When the document was made.';
COMMENT ON COLUMN vibelife.unified_profiles.updated_at IS 'When a service last wrote it.';

-- Migration 019 brought one field over, one way.
CREATE FUNCTION vibelife.sync_account_to_profile() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO vibelife.unified_profiles AS p (user_id, profile)
    VALUES (NEW.id,
            jsonb_build_object('account', jsonb_build_object('display_name', NEW.display_name)))
        ON CONFLICT (user_id) DO UPDATE
       SET profile = p.profile || jsonb_build_object('account',
               CASE jsonb_typeof(p.profile -> 'account')
                   WHEN 'object' THEN p.profile -> 'account'
                   ELSE '{}'
               END || (excluded.profile -> 'account'));
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION vibelife.sync_account_to_profile() IS
    'Migration 019, trigger on vibe_users: keeps account.display_name of the profile.';
CREATE TRIGGER trigger_sync_account_to_profile
    AFTER INSERT OR UPDATE OF display_name ON vibelife.vibe_users
    FOR EACH ROW EXECUTE FUNCTION vibelife.sync_account_to_profile();

-- What the support desk looks at.
CREATE VIEW vibelife.user_directory AS
SELECT id, vibe_id, display_name, email, status, created_at
  FROM vibelife.vibe_users
 WHERE deleted_at IS NULL;
COMMENT ON VIEW vibelife.user_directory IS 'The support desk: who is who.';

-- Neither application may delete a profile: it goes with its user.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'old_app') THEN
        GRANT USAGE ON SCHEMA vibelife TO old_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON vibelife.vibe_users TO old_app;
        GRANT SELECT ON vibelife.user_directory TO old_app;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app') THEN
        GRANT USAGE ON SCHEMA vibelife TO new_app;
        GRANT SELECT, INSERT, UPDATE ON vibelife.unified_profiles TO new_app;
        GRANT DELETE ON vibelife.vibe_users TO new_app;
        GRANT SELECT (id, vibe_id, status, tier, daily_quota, billing_summary, created_at,
                      updated_at),
              INSERT (id, vibe_id, status, tier, daily_quota, billing_summary),
              UPDATE (status, tier, daily_quota, billing_summary)
           ON vibelife.vibe_users TO new_app;
        -- For the greeting, until the profile has it for everybody.
        GRANT SELECT (display_name, avatar_url) ON vibelife.vibe_users TO new_app;
    END IF;
END;
$$;

COMMIT;
