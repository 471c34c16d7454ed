-- Deploy unified_profiles:unified_profiles_contract to pg
-- requires: unified_profiles_index
-- requires: pgtandem:contract
-- requires: pgtandem:columns
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Refused until proven (pgtandem.contract_conditions). Then display_name, avatar_url, email,
-- phone, email_verified, linked_providers, birth_datetime, birth_date, birth_time, birth_place,
-- birth_latitude, birth_longitude, birth_rectification, gender, language, timezone,
-- notifications_enabled, reminder_time, reminder_days, session_minutes, interests,
-- client_settings, deletion_requested_at, deletion_reason, deletion_scheduled_for, deleted_at,
-- last_seen_at leave vibelife.vibe_users, which stays with its other columns. Before that their
-- values are archived by key in vibelife_archive.vibe_users, a range of blocks at a time, while
-- everybody goes on writing: that part has no BEGIN. From here on the keys written on either
-- side are noted, so that a revert can bring the columns back with all that was written since.
--
-- Locks: vibelife.vibe_users SHARE ROW EXCLUSIVE for some milliseconds at the start; both
-- tables, and those that a foreign key of a leaving column refers to, ACCESS EXCLUSIVE for some
-- milliseconds at the end. Asked for in short tries. No rewrite.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'unified_profiles' AND phase IN ('contract')
       ) AS done \gset
\if :done
    \quit
\endif

SELECT pgtandem.contract_report('unified_profiles');

SELECT pgtandem.walk_is_begun('unified_profiles', 'archive') AS begun \gset
\if :begun
\else

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.require_proven('unified_profiles');
    PERFORM pgtandem.abandon_archive('unified_profiles');
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
    PERFORM pgtandem.require_contract('unified_profiles');
    PERFORM pgtandem.require_finished('unified_profiles');
    PERFORM pgtandem.require_key('vibelife.vibe_users', ARRAY['id']::text[]);
END;
$do$;

CREATE SCHEMA IF NOT EXISTS vibelife_archive;
CREATE TABLE vibelife_archive.vibe_users AS
SELECT id, display_name, avatar_url, email, phone, email_verified, linked_providers, birth_datetime,
    birth_date, birth_time, birth_place, birth_latitude, birth_longitude, birth_rectification,
    gender, language, timezone, notifications_enabled, reminder_time, reminder_days,
    session_minutes, interests, client_settings, deletion_requested_at, deletion_reason,
    deletion_scheduled_for, deleted_at, last_seen_at
FROM vibelife.vibe_users
WITH NO DATA;
ALTER TABLE vibelife_archive.vibe_users ADD PRIMARY KEY (id);
COMMENT ON TABLE vibelife_archive.vibe_users IS
    'What the columns held that the contract of the mapping "unified_profiles" took out of '
    'vibelife.vibe_users.';

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.note_archive() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $note$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        -- An update of other columns matters as well: it may move the row behind the walk.
        IF TG_OP = 'UPDATE' AND (OLD.ctid::text::point)[0] = (NEW.ctid::text::point)[0]
           AND NOT (OLD.id IS DISTINCT FROM NEW.id OR OLD.display_name
               IS DISTINCT FROM NEW.display_name OR OLD.avatar_url IS DISTINCT FROM NEW.avatar_url
               OR OLD.email IS DISTINCT FROM NEW.email OR OLD.phone IS DISTINCT FROM NEW.phone
               OR OLD.email_verified IS DISTINCT FROM NEW.email_verified OR OLD.linked_providers
               IS DISTINCT FROM NEW.linked_providers OR OLD.birth_datetime
               IS DISTINCT FROM NEW.birth_datetime OR OLD.birth_date IS DISTINCT FROM NEW.birth_date
               OR OLD.birth_time IS DISTINCT FROM NEW.birth_time OR OLD.birth_place
               IS DISTINCT FROM NEW.birth_place OR OLD.birth_latitude
               IS DISTINCT FROM NEW.birth_latitude OR OLD.birth_longitude
               IS DISTINCT FROM NEW.birth_longitude OR OLD.birth_rectification
               IS DISTINCT FROM NEW.birth_rectification OR OLD.gender IS DISTINCT FROM NEW.gender
               OR OLD.language IS DISTINCT FROM NEW.language OR OLD.timezone
               IS DISTINCT FROM NEW.timezone OR OLD.notifications_enabled
               IS DISTINCT FROM NEW.notifications_enabled OR OLD.reminder_time
               IS DISTINCT FROM NEW.reminder_time OR OLD.reminder_days
               IS DISTINCT FROM NEW.reminder_days OR OLD.session_minutes
               IS DISTINCT FROM NEW.session_minutes OR OLD.interests IS DISTINCT FROM NEW.interests
               OR OLD.client_settings IS DISTINCT FROM NEW.client_settings
               OR OLD.deletion_requested_at IS DISTINCT FROM NEW.deletion_requested_at
               OR OLD.deletion_reason IS DISTINCT FROM NEW.deletion_reason
               OR OLD.deletion_scheduled_for IS DISTINCT FROM NEW.deletion_scheduled_for
               OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at OR OLD.last_seen_at
               IS DISTINCT FROM NEW.last_seen_at) THEN
            RETURN NULL;
        END IF;
        PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(OLD.id),
                               'contract', 'archive');
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(NEW.id),
                               'contract', 'archive');
    END IF;
    RETURN NULL;
END;
$note$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.note_archive() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.note_archive() IS
    'Trigger on vibelife.vibe_users: notes each row that is written while it is archived.';
CREATE TRIGGER pgtandem_unified_profiles_note_archive
    AFTER INSERT OR UPDATE OR DELETE ON vibelife.vibe_users
    FOR EACH ROW EXECUTE FUNCTION pgtandem_unified_profiles.note_archive();
ALTER TABLE vibelife.vibe_users ENABLE ALWAYS TRIGGER pgtandem_unified_profiles_note_archive;

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.archive_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $archive$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format($query$
        INSERT INTO vibelife_archive.vibe_users AS archived (id, display_name, avatar_url, email,
        phone, email_verified, linked_providers, birth_datetime, birth_date, birth_time,
        birth_place, birth_latitude, birth_longitude, birth_rectification, gender, language,
        timezone, notifications_enabled, reminder_time, reminder_days, session_minutes, interests,
        client_settings, deletion_requested_at, deletion_reason, deletion_scheduled_for, deleted_at,
        last_seen_at)
        SELECT source.id, source.display_name, source.avatar_url, source.email, source.phone,
            source.email_verified, source.linked_providers, source.birth_datetime,
            source.birth_date, source.birth_time, source.birth_place, source.birth_latitude,
            source.birth_longitude, source.birth_rectification, source.gender, source.language,
            source.timezone, source.notifications_enabled, source.reminder_time,
            source.reminder_days, source.session_minutes, source.interests, source.client_settings,
            source.deletion_requested_at, source.deletion_reason, source.deletion_scheduled_for,
            source.deleted_at, source.last_seen_at
        FROM ONLY %s AS source
        WHERE source.ctid >= $1 AND source.ctid < $2
        ORDER BY source.id
        ON CONFLICT (id) DO UPDATE
            SET display_name = excluded.display_name,
                avatar_url = excluded.avatar_url,
                email = excluded.email,
                phone = excluded.phone,
                email_verified = excluded.email_verified,
                linked_providers = excluded.linked_providers,
                birth_datetime = excluded.birth_datetime,
                birth_date = excluded.birth_date,
                birth_time = excluded.birth_time,
                birth_place = excluded.birth_place,
                birth_latitude = excluded.birth_latitude,
                birth_longitude = excluded.birth_longitude,
                birth_rectification = excluded.birth_rectification,
                gender = excluded.gender,
                language = excluded.language,
                timezone = excluded.timezone,
                notifications_enabled = excluded.notifications_enabled,
                reminder_time = excluded.reminder_time,
                reminder_days = excluded.reminder_days,
                session_minutes = excluded.session_minutes,
                interests = excluded.interests,
                client_settings = excluded.client_settings,
                deletion_requested_at = excluded.deletion_requested_at,
                deletion_reason = excluded.deletion_reason,
                deletion_scheduled_for = excluded.deletion_scheduled_for,
                deleted_at = excluded.deleted_at,
                last_seen_at = excluded.last_seen_at
            WHERE archived.display_name IS DISTINCT FROM excluded.display_name
               OR archived.avatar_url IS DISTINCT FROM excluded.avatar_url
               OR archived.email IS DISTINCT FROM excluded.email
               OR archived.phone IS DISTINCT FROM excluded.phone
               OR archived.email_verified IS DISTINCT FROM excluded.email_verified
               OR archived.linked_providers IS DISTINCT FROM excluded.linked_providers
               OR archived.birth_datetime IS DISTINCT FROM excluded.birth_datetime
               OR archived.birth_date IS DISTINCT FROM excluded.birth_date
               OR archived.birth_time IS DISTINCT FROM excluded.birth_time
               OR archived.birth_place IS DISTINCT FROM excluded.birth_place
               OR archived.birth_latitude IS DISTINCT FROM excluded.birth_latitude
               OR archived.birth_longitude IS DISTINCT FROM excluded.birth_longitude
               OR archived.birth_rectification IS DISTINCT FROM excluded.birth_rectification
               OR archived.gender IS DISTINCT FROM excluded.gender
               OR archived.language IS DISTINCT FROM excluded.language
               OR archived.timezone IS DISTINCT FROM excluded.timezone
               OR archived.notifications_enabled IS DISTINCT FROM excluded.notifications_enabled
               OR archived.reminder_time IS DISTINCT FROM excluded.reminder_time
               OR archived.reminder_days IS DISTINCT FROM excluded.reminder_days
               OR archived.session_minutes IS DISTINCT FROM excluded.session_minutes
               OR archived.interests IS DISTINCT FROM excluded.interests
               OR archived.client_settings IS DISTINCT FROM excluded.client_settings
               OR archived.deletion_requested_at IS DISTINCT FROM excluded.deletion_requested_at
               OR archived.deletion_reason IS DISTINCT FROM excluded.deletion_reason
               OR archived.deletion_scheduled_for IS DISTINCT FROM excluded.deletion_scheduled_for
               OR archived.deleted_at IS DISTINCT FROM excluded.deleted_at
               OR archived.last_seen_at IS DISTINCT FROM excluded.last_seen_at
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$archive$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.archive_chunk(regclass, bigint,
bigint) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.archive_chunk(regclass, bigint, bigint) IS
    'Archives the rows of a range of blocks, and returns how many it wrote.';

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.archive_keys(p_keys jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $archive$
BEGIN
    DELETE FROM vibelife_archive.vibe_users AS archived
    USING jsonb_array_elements(p_keys) AS k (key)
    WHERE archived.id = (k.key ->> 0)::uuid
      AND NOT EXISTS (SELECT FROM vibelife.vibe_users AS source
                      WHERE source.id = archived.id);
    INSERT INTO vibelife_archive.vibe_users AS archived (id, display_name, avatar_url, email, phone,
                                                         email_verified, linked_providers,
                                                         birth_datetime, birth_date, birth_time,
                                                         birth_place, birth_latitude,
                                                         birth_longitude, birth_rectification,
                                                         gender, language, timezone,
                                                         notifications_enabled, reminder_time,
                                                         reminder_days, session_minutes, interests,
                                                         client_settings, deletion_requested_at,
                                                         deletion_reason, deletion_scheduled_for,
                                                         deleted_at, last_seen_at)
    SELECT source.id, source.display_name, source.avatar_url, source.email, source.phone,
        source.email_verified, source.linked_providers, source.birth_datetime, source.birth_date,
        source.birth_time, source.birth_place, source.birth_latitude, source.birth_longitude,
        source.birth_rectification, source.gender, source.language, source.timezone,
        source.notifications_enabled, source.reminder_time, source.reminder_days,
        source.session_minutes, source.interests, source.client_settings,
        source.deletion_requested_at, source.deletion_reason, source.deletion_scheduled_for,
        source.deleted_at, source.last_seen_at
    FROM jsonb_array_elements(p_keys) AS k (key)
    JOIN vibelife.vibe_users AS source ON source.id = (k.key ->> 0)::uuid
    ON CONFLICT (id) DO UPDATE
            SET display_name = excluded.display_name,
                avatar_url = excluded.avatar_url,
                email = excluded.email,
                phone = excluded.phone,
                email_verified = excluded.email_verified,
                linked_providers = excluded.linked_providers,
                birth_datetime = excluded.birth_datetime,
                birth_date = excluded.birth_date,
                birth_time = excluded.birth_time,
                birth_place = excluded.birth_place,
                birth_latitude = excluded.birth_latitude,
                birth_longitude = excluded.birth_longitude,
                birth_rectification = excluded.birth_rectification,
                gender = excluded.gender,
                language = excluded.language,
                timezone = excluded.timezone,
                notifications_enabled = excluded.notifications_enabled,
                reminder_time = excluded.reminder_time,
                reminder_days = excluded.reminder_days,
                session_minutes = excluded.session_minutes,
                interests = excluded.interests,
                client_settings = excluded.client_settings,
                deletion_requested_at = excluded.deletion_requested_at,
                deletion_reason = excluded.deletion_reason,
                deletion_scheduled_for = excluded.deletion_scheduled_for,
                deleted_at = excluded.deleted_at,
                last_seen_at = excluded.last_seen_at
            WHERE archived.display_name IS DISTINCT FROM excluded.display_name
               OR archived.avatar_url IS DISTINCT FROM excluded.avatar_url
               OR archived.email IS DISTINCT FROM excluded.email
               OR archived.phone IS DISTINCT FROM excluded.phone
               OR archived.email_verified IS DISTINCT FROM excluded.email_verified
               OR archived.linked_providers IS DISTINCT FROM excluded.linked_providers
               OR archived.birth_datetime IS DISTINCT FROM excluded.birth_datetime
               OR archived.birth_date IS DISTINCT FROM excluded.birth_date
               OR archived.birth_time IS DISTINCT FROM excluded.birth_time
               OR archived.birth_place IS DISTINCT FROM excluded.birth_place
               OR archived.birth_latitude IS DISTINCT FROM excluded.birth_latitude
               OR archived.birth_longitude IS DISTINCT FROM excluded.birth_longitude
               OR archived.birth_rectification IS DISTINCT FROM excluded.birth_rectification
               OR archived.gender IS DISTINCT FROM excluded.gender
               OR archived.language IS DISTINCT FROM excluded.language
               OR archived.timezone IS DISTINCT FROM excluded.timezone
               OR archived.notifications_enabled IS DISTINCT FROM excluded.notifications_enabled
               OR archived.reminder_time IS DISTINCT FROM excluded.reminder_time
               OR archived.reminder_days IS DISTINCT FROM excluded.reminder_days
               OR archived.session_minutes IS DISTINCT FROM excluded.session_minutes
               OR archived.interests IS DISTINCT FROM excluded.interests
               OR archived.client_settings IS DISTINCT FROM excluded.client_settings
               OR archived.deletion_requested_at IS DISTINCT FROM excluded.deletion_requested_at
               OR archived.deletion_reason IS DISTINCT FROM excluded.deletion_reason
               OR archived.deletion_scheduled_for IS DISTINCT FROM excluded.deletion_scheduled_for
               OR archived.deleted_at IS DISTINCT FROM excluded.deleted_at
               OR archived.last_seen_at IS DISTINCT FROM excluded.last_seen_at;
END;
$archive$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.archive_keys(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.archive_keys(jsonb) IS
    'Archives the rows of a JSON array of keys as they are now.';

DO $do$
BEGIN
    PERFORM pgtandem.begin_walk('unified_profiles', 'archive');
END;
$do$;

COMMIT;

\endif

-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.walk('unified_profiles', 'archive');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.require_proven('unified_profiles');
    PERFORM pgtandem.lock_tables(pgtandem.contract_tables('unified_profiles'), 'ACCESS EXCLUSIVE');
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
    PERFORM pgtandem.require_contract('unified_profiles');
    PERFORM pgtandem.require_walked('unified_profiles', 'archive');
    PERFORM pgtandem.archive_noted('unified_profiles');
    PERFORM pgtandem.save_companions('unified_profiles');
END;
$do$;

-- Fails where contract.archive has changed since it was begun: the values are in the former one.
LOCK TABLE vibelife_archive.vibe_users IN SHARE MODE;
DROP TRIGGER pgtandem_unified_profiles_note_archive ON vibelife.vibe_users;
DROP FUNCTION pgtandem_unified_profiles.note_archive();
DROP FUNCTION pgtandem_unified_profiles.archive_chunk(regclass, bigint, bigint);
DROP FUNCTION pgtandem_unified_profiles.archive_keys(jsonb);
DROP TRIGGER trigger_sync_account_to_profile_write ON vibelife.vibe_users;
DROP TRIGGER trigger_sync_account_to_profile_update ON vibelife.vibe_users;
DROP TRIGGER trigger_sync_account_to_profile_moved ON vibelife.vibe_users;
DROP TRIGGER pgtandem_unified_profiles_back_write ON vibelife.unified_profiles;
DROP TRIGGER pgtandem_unified_profiles_back_update ON vibelife.unified_profiles;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_unified_profiles'::regnamespace
          AND p.proname IN ('truncate_source', 'truncate_target')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;
DROP FUNCTION pgtandem_unified_profiles.compared_keys(jsonb);
DROP FUNCTION pgtandem_unified_profiles.compared(uuid, uuid);
DROP VIEW pgtandem_unified_profiles.image;

ALTER TABLE vibelife.vibe_users
    DROP COLUMN display_name,
    DROP COLUMN avatar_url,
    DROP COLUMN email,
    DROP COLUMN phone,
    DROP COLUMN email_verified,
    DROP COLUMN linked_providers,
    DROP COLUMN birth_datetime,
    DROP COLUMN birth_date,
    DROP COLUMN birth_time,
    DROP COLUMN birth_place,
    DROP COLUMN birth_latitude,
    DROP COLUMN birth_longitude,
    DROP COLUMN birth_rectification,
    DROP COLUMN gender,
    DROP COLUMN language,
    DROP COLUMN timezone,
    DROP COLUMN notifications_enabled,
    DROP COLUMN reminder_time,
    DROP COLUMN reminder_days,
    DROP COLUMN session_minutes,
    DROP COLUMN interests,
    DROP COLUMN client_settings,
    DROP COLUMN deletion_requested_at,
    DROP COLUMN deletion_reason,
    DROP COLUMN deletion_scheduled_for,
    DROP COLUMN deleted_at,
    DROP COLUMN last_seen_at;

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.note_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $note$
DECLARE
    v_came text := 'inserted';
BEGIN
    IF TG_OP <> 'INSERT' THEN
        -- A key that is changed on one side alone is no delete: the revert asks.
        PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(OLD.id),
                               CASE TG_OP WHEN 'DELETE' THEN 'deleted' ELSE 'contract' END,
                               'source');
    END IF;
    -- The archive follows, unless somebody has dropped it.
    IF TG_OP <> 'INSERT' AND to_regclass('vibelife_archive.vibe_users') IS NOT NULL THEN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM vibelife_archive.vibe_users AS archived
            WHERE archived.id = OLD.id;
        ELSE
            BEGIN
                UPDATE vibelife_archive.vibe_users AS archived
                SET id = NEW.id
                WHERE archived.id = OLD.id;
                IF FOUND THEN
                    v_came := 'renamed';
                END IF;
            EXCEPTION
                WHEN unique_violation THEN
                    NULL;  -- of a row that goes in the same statement
            END;
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(NEW.id), v_came, 'source');
    END IF;
    RETURN NULL;
END;
$note$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.note_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.note_source() IS
    'Trigger on vibelife.vibe_users: notes the rows that come and go after contract, for its '
    'revert.';
CREATE TRIGGER pgtandem_unified_profiles_note_source
    AFTER INSERT OR DELETE ON vibelife.vibe_users
    FOR EACH ROW EXECUTE FUNCTION pgtandem_unified_profiles.note_source();
CREATE TRIGGER pgtandem_unified_profiles_note_key
    AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW
    WHEN (OLD.id IS DISTINCT FROM NEW.id)
    EXECUTE FUNCTION pgtandem_unified_profiles.note_source();
ALTER TABLE vibelife.vibe_users
    ENABLE ALWAYS TRIGGER pgtandem_unified_profiles_note_source,
    ENABLE ALWAYS TRIGGER pgtandem_unified_profiles_note_key;

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.note_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $note$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.user_id IS DISTINCT FROM NEW.user_id) THEN
        PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(NEW.user_id),
                               'contract', 'source');
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        -- A key that is changed on one side alone is no delete: the revert asks.
        PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(OLD.user_id),
                               CASE TG_OP WHEN 'DELETE' THEN 'deleted' ELSE 'contract' END,
                               'source');
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(NEW.user_id),
                               CASE TG_OP WHEN 'INSERT' THEN 'inserted' ELSE 'renamed' END,
                               'source');
    END IF;
    RETURN NULL;
END;
$note$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.note_written() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.note_written() IS
    'Trigger on vibelife.unified_profiles: notes each key that is written after contract, for its '
    'revert.';
CREATE TRIGGER pgtandem_unified_profiles_note_write
    AFTER INSERT OR DELETE ON vibelife.unified_profiles
    FOR EACH ROW EXECUTE FUNCTION pgtandem_unified_profiles.note_written();
CREATE TRIGGER pgtandem_unified_profiles_note_update
    AFTER UPDATE ON vibelife.unified_profiles
    FOR EACH ROW
    WHEN (OLD.user_id IS DISTINCT FROM NEW.user_id
          OR (OLD.profile IS DISTINCT FROM NEW.profile AND (
           nullif(OLD.profile #> '{account,display_name}', 'null')
               IS DISTINCT FROM nullif(NEW.profile #> '{account,display_name}', 'null')
        OR nullif(OLD.profile #> '{account,avatar_url}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{account,avatar_url}', 'null')
        OR nullif(OLD.profile #> '{account,email}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{account,email}', 'null')
        OR nullif(OLD.profile #> '{account,phone}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{account,phone}', 'null')
        OR nullif(OLD.profile #> '{account,email_verified}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{account,email_verified}', 'null')
        OR nullif(OLD.profile #> '{account,linked_providers}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{account,linked_providers}', 'null')
        OR nullif(OLD.profile #> '{birth_info,birth_datetime}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{birth_info,birth_datetime}', 'null')
        OR nullif(OLD.profile #> '{birth_info,birth_date}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{birth_info,birth_date}', 'null')
        OR nullif(OLD.profile #> '{birth_info,birth_time}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{birth_info,birth_time}', 'null')
        OR nullif(OLD.profile #> '{birth_info,place}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{birth_info,place}', 'null')
        OR nullif(OLD.profile #> '{birth_info,latitude}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{birth_info,latitude}', 'null')
        OR nullif(OLD.profile #> '{birth_info,longitude}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{birth_info,longitude}', 'null')
        OR nullif(OLD.profile #> '{birth_info,rectification}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{birth_info,rectification}', 'null')
        OR nullif(OLD.profile #> '{birth_info,gender}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{birth_info,gender}', 'null')
        OR nullif(OLD.profile #> '{preferences,language}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{preferences,language}', 'null')
        OR nullif(OLD.profile #> '{preferences,timezone}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{preferences,timezone}', 'null')
        OR nullif(OLD.profile #> '{preferences,notifications_enabled}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{preferences,notifications_enabled}', 'null')
        OR nullif(OLD.profile #> '{preferences,reminder_time}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{preferences,reminder_time}', 'null')
        OR nullif(OLD.profile #> '{preferences,reminder_days}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{preferences,reminder_days}', 'null')
        OR nullif(OLD.profile #> '{preferences,session_minutes}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{preferences,session_minutes}', 'null')
        OR nullif(OLD.profile #> '{preferences,interests}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{preferences,interests}', 'null')
        OR nullif(OLD.profile #> '{preferences,client_settings}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{preferences,client_settings}', 'null')
        OR nullif(OLD.profile #> '{deletion,requested_at}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{deletion,requested_at}', 'null')
        OR nullif(OLD.profile #> '{deletion,reason}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{deletion,reason}', 'null')
        OR nullif(OLD.profile #> '{deletion,scheduled_for}', 'null')
            IS DISTINCT FROM nullif(NEW.profile #> '{deletion,scheduled_for}', 'null')
        OR nullif(OLD.profile #> '{deletion,deleted_at}', 'null')
        IS DISTINCT FROM nullif(NEW.profile #> '{deletion,deleted_at}', 'null'))))
    EXECUTE FUNCTION pgtandem_unified_profiles.note_written();
ALTER TABLE vibelife.unified_profiles
    ENABLE ALWAYS TRIGGER pgtandem_unified_profiles_note_write,
    ENABLE ALWAYS TRIGGER pgtandem_unified_profiles_note_update;

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "unified_profiles" and cannot be truncated',
        'vibelife.vibe_users'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.truncate_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.truncate_source() IS
    'Trigger on vibelife.vibe_users: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.vibe_users'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.vibe_users')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN '
                       '(current_setting(''pgtandem_unified_profiles.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_unified_profiles.truncate_source()',
                       'trigger_sync_account_to_profile_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'trigger_sync_account_to_profile_truncate');
    END LOOP;
END;
$leaves$;

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.truncate_target() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "unified_profiles" and cannot be truncated',
        'vibelife.unified_profiles'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.truncate_target() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.truncate_target() IS
    'Trigger on vibelife.unified_profiles: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.unified_profiles'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.unified_profiles')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN '
                       '(current_setting(''pgtandem_unified_profiles.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_unified_profiles.truncate_target()',
                       'pgtandem_unified_profiles_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_unified_profiles_truncate');
    END LOOP;
END;
$leaves$;

-- For the revert: a range of blocks filled from the archive. What cannot be filled now is noted.
CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.restore_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint,
    p_write       boolean DEFAULT true
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $restore$
DECLARE
    v_rows bigint := 0;
BEGIN
    IF p_write THEN
        EXECUTE format($query$
            UPDATE ONLY %s AS source
            SET pgtandem_old_1 = archived.display_name,
                pgtandem_old_2 = archived.avatar_url,
                pgtandem_old_3 = archived.email,
                pgtandem_old_4 = archived.phone,
                pgtandem_old_5 = archived.email_verified,
                pgtandem_old_6 = archived.linked_providers,
                pgtandem_old_7 = archived.birth_datetime,
                pgtandem_old_8 = archived.birth_date,
                pgtandem_old_9 = archived.birth_time,
                pgtandem_old_10 = archived.birth_place,
                pgtandem_old_11 = archived.birth_latitude,
                pgtandem_old_12 = archived.birth_longitude,
                pgtandem_old_13 = archived.birth_rectification,
                pgtandem_old_14 = archived.gender,
                pgtandem_old_15 = archived.language,
                pgtandem_old_16 = archived.timezone,
                pgtandem_old_17 = archived.notifications_enabled,
                pgtandem_old_18 = archived.reminder_time,
                pgtandem_old_19 = archived.reminder_days,
                pgtandem_old_20 = archived.session_minutes,
                pgtandem_old_21 = archived.interests,
                pgtandem_old_22 = archived.client_settings,
                pgtandem_old_23 = archived.deletion_requested_at,
                pgtandem_old_24 = archived.deletion_reason,
                pgtandem_old_25 = archived.deletion_scheduled_for,
                pgtandem_old_26 = archived.deleted_at,
                pgtandem_old_27 = archived.last_seen_at
            FROM vibelife_archive.vibe_users AS archived
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND archived.id = source.id
              AND (source.pgtandem_old_1 IS DISTINCT FROM archived.display_name
                   OR source.pgtandem_old_2 IS DISTINCT FROM archived.avatar_url
                   OR source.pgtandem_old_3 IS DISTINCT FROM archived.email
                   OR source.pgtandem_old_4 IS DISTINCT FROM archived.phone
                   OR source.pgtandem_old_5 IS DISTINCT FROM archived.email_verified
                   OR source.pgtandem_old_6 IS DISTINCT FROM archived.linked_providers
                   OR source.pgtandem_old_7 IS DISTINCT FROM archived.birth_datetime
                   OR source.pgtandem_old_8 IS DISTINCT FROM archived.birth_date
                   OR source.pgtandem_old_9 IS DISTINCT FROM archived.birth_time
                   OR source.pgtandem_old_10 IS DISTINCT FROM archived.birth_place
                   OR source.pgtandem_old_11 IS DISTINCT FROM archived.birth_latitude
                   OR source.pgtandem_old_12 IS DISTINCT FROM archived.birth_longitude
                   OR source.pgtandem_old_13 IS DISTINCT FROM archived.birth_rectification
                   OR source.pgtandem_old_14 IS DISTINCT FROM archived.gender
                   OR source.pgtandem_old_15 IS DISTINCT FROM archived.language
                   OR source.pgtandem_old_16 IS DISTINCT FROM archived.timezone
                   OR source.pgtandem_old_17 IS DISTINCT FROM archived.notifications_enabled
                   OR source.pgtandem_old_18 IS DISTINCT FROM archived.reminder_time
                   OR source.pgtandem_old_19 IS DISTINCT FROM archived.reminder_days
                   OR source.pgtandem_old_20 IS DISTINCT FROM archived.session_minutes
                   OR source.pgtandem_old_21 IS DISTINCT FROM archived.interests
                   OR source.pgtandem_old_22 IS DISTINCT FROM archived.client_settings
                   OR source.pgtandem_old_23 IS DISTINCT FROM archived.deletion_requested_at
                   OR source.pgtandem_old_24 IS DISTINCT FROM archived.deletion_reason
                   OR source.pgtandem_old_25 IS DISTINCT FROM archived.deletion_scheduled_for
                   OR source.pgtandem_old_26 IS DISTINCT FROM archived.deleted_at
                   OR source.pgtandem_old_27 IS DISTINCT FROM archived.last_seen_at)
            $query$, p_relation)
        USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
    END IF;
    EXECUTE format($query$
        INSERT INTO pgtandem.recheck (mapping, key, side, reason)
        SELECT 'unified_profiles', jsonb_build_array(source.id), 'source', 'contract'
        FROM ONLY %s AS source
        JOIN vibelife_archive.vibe_users AS archived ON archived.id = source.id
        WHERE source.ctid >= $1 AND source.ctid < $2
          AND (source.pgtandem_old_1 IS DISTINCT FROM archived.display_name
               OR source.pgtandem_old_2 IS DISTINCT FROM archived.avatar_url
               OR source.pgtandem_old_3 IS DISTINCT FROM archived.email
               OR source.pgtandem_old_4 IS DISTINCT FROM archived.phone
               OR source.pgtandem_old_5 IS DISTINCT FROM archived.email_verified
               OR source.pgtandem_old_6 IS DISTINCT FROM archived.linked_providers
               OR source.pgtandem_old_7 IS DISTINCT FROM archived.birth_datetime
               OR source.pgtandem_old_8 IS DISTINCT FROM archived.birth_date
               OR source.pgtandem_old_9 IS DISTINCT FROM archived.birth_time
               OR source.pgtandem_old_10 IS DISTINCT FROM archived.birth_place
               OR source.pgtandem_old_11 IS DISTINCT FROM archived.birth_latitude
               OR source.pgtandem_old_12 IS DISTINCT FROM archived.birth_longitude
               OR source.pgtandem_old_13 IS DISTINCT FROM archived.birth_rectification
               OR source.pgtandem_old_14 IS DISTINCT FROM archived.gender
               OR source.pgtandem_old_15 IS DISTINCT FROM archived.language
               OR source.pgtandem_old_16 IS DISTINCT FROM archived.timezone
               OR source.pgtandem_old_17 IS DISTINCT FROM archived.notifications_enabled
               OR source.pgtandem_old_18 IS DISTINCT FROM archived.reminder_time
               OR source.pgtandem_old_19 IS DISTINCT FROM archived.reminder_days
               OR source.pgtandem_old_20 IS DISTINCT FROM archived.session_minutes
               OR source.pgtandem_old_21 IS DISTINCT FROM archived.interests
               OR source.pgtandem_old_22 IS DISTINCT FROM archived.client_settings
               OR source.pgtandem_old_23 IS DISTINCT FROM archived.deletion_requested_at
               OR source.pgtandem_old_24 IS DISTINCT FROM archived.deletion_reason
               OR source.pgtandem_old_25 IS DISTINCT FROM archived.deletion_scheduled_for
               OR source.pgtandem_old_26 IS DISTINCT FROM archived.deleted_at
               OR source.pgtandem_old_27 IS DISTINCT FROM archived.last_seen_at)
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    RETURN v_rows;
END;
$restore$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.restore_chunk(regclass, bigint, bigint,
boolean) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.restore_chunk(regclass, bigint, bigint, boolean) IS
    'Fills the rows of a range of blocks from the archive, and returns how many it wrote.';

-- One key: the archived values, or the defaults where the row is a new one; then what the target
-- holds, where that is something else. Whether the row is to be there is settled under the lock.
CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.settle_source(
    p_key   jsonb,
    p_last  text,
    p_final boolean
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
#variable_conflict use_column
DECLARE
    v_key1 vibelife.unified_profiles.user_id%TYPE := (p_key ->> 0)::uuid;
    v_new    vibelife.unified_profiles;
    v_found  boolean;
    v_was    boolean;
    v_kept   boolean;
    v_empty  text[];
BEGIN
    -- The end of the transaction forgets it.
    PERFORM pgtandem._mark('unified_profiles');
    SELECT t.* INTO v_new FROM vibelife.unified_profiles AS t WHERE t.user_id = v_key1;
    v_found := FOUND;
    v_was := EXISTS (SELECT FROM vibelife.vibe_users AS s WHERE s.id = v_key1);
    IF p_last <> 'renamed' THEN
        -- It is another row than the archived one.
        DELETE FROM vibelife_archive.vibe_users AS archived WHERE archived.id = v_key1;
    END IF;
    UPDATE vibelife.vibe_users AS source
    SET pgtandem_old_1 = archived.display_name,
        pgtandem_old_2 = archived.avatar_url,
        pgtandem_old_3 = archived.email,
        pgtandem_old_4 = archived.phone,
        pgtandem_old_5 = archived.email_verified,
        pgtandem_old_6 = archived.linked_providers,
        pgtandem_old_7 = archived.birth_datetime,
        pgtandem_old_8 = archived.birth_date,
        pgtandem_old_9 = archived.birth_time,
        pgtandem_old_10 = archived.birth_place,
        pgtandem_old_11 = archived.birth_latitude,
        pgtandem_old_12 = archived.birth_longitude,
        pgtandem_old_13 = archived.birth_rectification,
        pgtandem_old_14 = archived.gender,
        pgtandem_old_15 = archived.language,
        pgtandem_old_16 = archived.timezone,
        pgtandem_old_17 = archived.notifications_enabled,
        pgtandem_old_18 = archived.reminder_time,
        pgtandem_old_19 = archived.reminder_days,
        pgtandem_old_20 = archived.session_minutes,
        pgtandem_old_21 = archived.interests,
        pgtandem_old_22 = archived.client_settings,
        pgtandem_old_23 = archived.deletion_requested_at,
        pgtandem_old_24 = archived.deletion_reason,
        pgtandem_old_25 = archived.deletion_scheduled_for,
        pgtandem_old_26 = archived.deleted_at,
        pgtandem_old_27 = archived.last_seen_at
    FROM vibelife_archive.vibe_users AS archived
    WHERE source.id = v_key1 AND archived.id = v_key1
      AND (source.pgtandem_old_1 IS DISTINCT FROM archived.display_name
           OR source.pgtandem_old_2 IS DISTINCT FROM archived.avatar_url
           OR source.pgtandem_old_3 IS DISTINCT FROM archived.email
           OR source.pgtandem_old_4 IS DISTINCT FROM archived.phone
           OR source.pgtandem_old_5 IS DISTINCT FROM archived.email_verified
           OR source.pgtandem_old_6 IS DISTINCT FROM archived.linked_providers
           OR source.pgtandem_old_7 IS DISTINCT FROM archived.birth_datetime
           OR source.pgtandem_old_8 IS DISTINCT FROM archived.birth_date
           OR source.pgtandem_old_9 IS DISTINCT FROM archived.birth_time
           OR source.pgtandem_old_10 IS DISTINCT FROM archived.birth_place
           OR source.pgtandem_old_11 IS DISTINCT FROM archived.birth_latitude
           OR source.pgtandem_old_12 IS DISTINCT FROM archived.birth_longitude
           OR source.pgtandem_old_13 IS DISTINCT FROM archived.birth_rectification
           OR source.pgtandem_old_14 IS DISTINCT FROM archived.gender
           OR source.pgtandem_old_15 IS DISTINCT FROM archived.language
           OR source.pgtandem_old_16 IS DISTINCT FROM archived.timezone
           OR source.pgtandem_old_17 IS DISTINCT FROM archived.notifications_enabled
           OR source.pgtandem_old_18 IS DISTINCT FROM archived.reminder_time
           OR source.pgtandem_old_19 IS DISTINCT FROM archived.reminder_days
           OR source.pgtandem_old_20 IS DISTINCT FROM archived.session_minutes
           OR source.pgtandem_old_21 IS DISTINCT FROM archived.interests
           OR source.pgtandem_old_22 IS DISTINCT FROM archived.client_settings
           OR source.pgtandem_old_23 IS DISTINCT FROM archived.deletion_requested_at
           OR source.pgtandem_old_24 IS DISTINCT FROM archived.deletion_reason
           OR source.pgtandem_old_25 IS DISTINCT FROM archived.deletion_scheduled_for
           OR source.pgtandem_old_26 IS DISTINCT FROM archived.deleted_at
           OR source.pgtandem_old_27 IS DISTINCT FROM archived.last_seen_at);
    IF NOT FOUND THEN
        UPDATE vibelife.vibe_users AS source
        SET pgtandem_old_1 = DEFAULT, pgtandem_old_2 = DEFAULT, pgtandem_old_3 = DEFAULT,
            pgtandem_old_4 = DEFAULT, pgtandem_old_5 = DEFAULT, pgtandem_old_6 = DEFAULT,
            pgtandem_old_7 = DEFAULT, pgtandem_old_8 = DEFAULT, pgtandem_old_9 = DEFAULT,
            pgtandem_old_10 = DEFAULT, pgtandem_old_11 = DEFAULT, pgtandem_old_12 = DEFAULT,
            pgtandem_old_13 = DEFAULT, pgtandem_old_14 = DEFAULT, pgtandem_old_15 = DEFAULT,
            pgtandem_old_16 = DEFAULT, pgtandem_old_17 = DEFAULT, pgtandem_old_18 = DEFAULT,
            pgtandem_old_19 = DEFAULT, pgtandem_old_20 = DEFAULT, pgtandem_old_21 = DEFAULT,
            pgtandem_old_22 = DEFAULT, pgtandem_old_23 = DEFAULT, pgtandem_old_24 = DEFAULT,
            pgtandem_old_25 = DEFAULT, pgtandem_old_26 = DEFAULT, pgtandem_old_27 = DEFAULT
        WHERE source.id = v_key1
          AND NOT EXISTS (SELECT FROM vibelife_archive.vibe_users AS archived
                          WHERE archived.id = v_key1);
    END IF;
    IF v_found <> v_was
       AND (p_last IS NULL OR NOT p_final AND NOT (v_was AND p_last = 'inserted')) THEN
        RAISE EXCEPTION 'the row % is in % alone', p_key,
            CASE WHEN v_was THEN 'vibelife.vibe_users' ELSE 'vibelife.unified_profiles' END
            USING ERRCODE = 'TD013',
                  HINT = 'Its key was changed there, or it was written past the triggers: let both '
                         'agree.';
    END IF;
    IF p_last = 'deleted' AND v_found <> v_was THEN
        -- A row that was deleted on one side is gone from both.
        DELETE FROM vibelife.unified_profiles AS t WHERE t.user_id = v_key1;
        DELETE FROM vibelife.vibe_users AS s WHERE s.id = v_key1;
        RETURN;
    ELSIF p_last <> 'deleted' AND v_was AND NOT v_found THEN
        -- A drain makes its row of the target. Until then this says that it is to be there.
        PERFORM pgtandem.queue('unified_profiles', p_key, 'inserted');
    ELSIF p_last <> 'deleted' AND v_found AND NOT v_was THEN
        INSERT INTO vibelife.vibe_users
            (id, pgtandem_old_1, pgtandem_old_2, pgtandem_old_3, pgtandem_old_4, pgtandem_old_5,
             pgtandem_old_6, pgtandem_old_7, pgtandem_old_8, pgtandem_old_9, pgtandem_old_10,
             pgtandem_old_11, pgtandem_old_12, pgtandem_old_13, pgtandem_old_14, pgtandem_old_15,
             pgtandem_old_16, pgtandem_old_17, pgtandem_old_18, pgtandem_old_19, pgtandem_old_20,
             pgtandem_old_21, pgtandem_old_22, pgtandem_old_23, pgtandem_old_24, pgtandem_old_25,
             pgtandem_old_26)
        OVERRIDING SYSTEM VALUE
        VALUES (v_new.user_id,
                (v_new.profile #>> '{account,display_name}')::text,
                (v_new.profile #>> '{account,avatar_url}')::text,
                (v_new.profile #>> '{account,email}')::text,
                (v_new.profile #>> '{account,phone}')::text,
                (v_new.profile #>> '{account,email_verified}')::boolean,
                pgtandem.array_of(v_new.profile #> '{account,linked_providers}')::text[],
                (v_new.profile #>> '{birth_info,birth_datetime}')::timestamp,
                (v_new.profile #>> '{birth_info,birth_date}')::date,
                (v_new.profile #>> '{birth_info,birth_time}')::time,
                (v_new.profile #>> '{birth_info,place}')::text,
                (v_new.profile #>> '{birth_info,latitude}')::numeric,
                (v_new.profile #>> '{birth_info,longitude}')::numeric,
                (v_new.profile #>> '{birth_info,rectification}')::numeric,
                (v_new.profile #>> '{birth_info,gender}')::text,
                (v_new.profile #>> '{preferences,language}')::text,
                (v_new.profile #>> '{preferences,timezone}')::text,
                (v_new.profile #>> '{preferences,notifications_enabled}')::boolean,
                (v_new.profile #>> '{preferences,reminder_time}')::time,
                pgtandem.array_of(v_new.profile #> '{preferences,reminder_days}')::integer[],
                (v_new.profile #>> '{preferences,session_minutes}')::numeric::integer,
                pgtandem.array_of(v_new.profile #> '{preferences,interests}')::text[],
                nullif(v_new.profile #> '{preferences,client_settings}', 'null'),
                (v_new.profile #>> '{deletion,requested_at}')::timestamptz,
                (v_new.profile #>> '{deletion,reason}')::text,
                (v_new.profile #>> '{deletion,scheduled_for}')::date,
                (v_new.profile #>> '{deletion,deleted_at}')::timestamptz);
    ELSIF v_found THEN
        UPDATE vibelife.vibe_users AS s
        SET (pgtandem_old_1, pgtandem_old_2, pgtandem_old_3, pgtandem_old_4, pgtandem_old_5,
             pgtandem_old_6, pgtandem_old_7, pgtandem_old_8, pgtandem_old_9, pgtandem_old_10,
             pgtandem_old_11, pgtandem_old_12, pgtandem_old_13, pgtandem_old_14, pgtandem_old_15,
             pgtandem_old_16, pgtandem_old_17, pgtandem_old_18, pgtandem_old_19, pgtandem_old_20,
             pgtandem_old_21, pgtandem_old_22, pgtandem_old_23, pgtandem_old_24, pgtandem_old_25,
             pgtandem_old_26) = (
            SELECT CASE WHEN to_jsonb(source.display_name)
                IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,display_name}', 'null')
                    THEN source.display_name
                        ELSE (v_new.profile #>> '{account,display_name}')::text END,
                CASE WHEN to_jsonb(source.avatar_url)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,avatar_url}', 'null')
                    THEN source.avatar_url
                        ELSE (v_new.profile #>> '{account,avatar_url}')::text END,
                CASE WHEN to_jsonb(source.email)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email}', 'null')
                    THEN source.email ELSE (v_new.profile #>> '{account,email}')::text END,
                CASE WHEN to_jsonb(source.phone)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,phone}', 'null')
                    THEN source.phone ELSE (v_new.profile #>> '{account,phone}')::text END,
                CASE WHEN to_jsonb(source.email_verified)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email_verified}', 'null')
                    THEN source.email_verified
                        ELSE (v_new.profile #>> '{account,email_verified}')::boolean END,
                CASE WHEN to_jsonb(source.linked_providers)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,linked_providers}',
                                                'null')
                    THEN source.linked_providers
                        ELSE pgtandem.array_of(v_new.profile #>
                                               '{account,linked_providers}')::text[] END,
                CASE WHEN (to_jsonb(source.birth_datetime)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_datetime}',
                    'null') OR pgtandem.same_time(to_jsonb(source.birth_datetime),
                    nullif(v_new.profile #> '{birth_info,birth_datetime}', 'null')))
                    THEN source.birth_datetime
                        ELSE (v_new.profile #>> '{birth_info,birth_datetime}')::timestamp END,
                CASE WHEN (to_jsonb(source.birth_date)
                           IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_date}',
                    'null') OR pgtandem.same_time(to_jsonb(source.birth_date),
                                                  nullif(v_new.profile #> '{birth_info,birth_date}',
                                                         'null')))
                    THEN source.birth_date
                        ELSE (v_new.profile #>> '{birth_info,birth_date}')::date END,
                CASE WHEN (to_jsonb(source.birth_time)
                           IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_time}',
                    'null') OR pgtandem.same_time(to_jsonb(source.birth_time),
                                                  nullif(v_new.profile #> '{birth_info,birth_time}',
                                                         'null')))
                    THEN source.birth_time
                        ELSE (v_new.profile #>> '{birth_info,birth_time}')::time END,
                CASE WHEN to_jsonb(source.birth_place)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,place}', 'null')
                    THEN source.birth_place ELSE (v_new.profile #>> '{birth_info,place}')::text END,
                CASE WHEN to_jsonb(source.birth_latitude)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,latitude}', 'null')
                    THEN source.birth_latitude
                        ELSE (v_new.profile #>> '{birth_info,latitude}')::numeric END,
                CASE WHEN to_jsonb(source.birth_longitude)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,longitude}', 'null')
                    THEN source.birth_longitude
                        ELSE (v_new.profile #>> '{birth_info,longitude}')::numeric END,
                CASE WHEN to_jsonb(source.birth_rectification)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,rectification}',
                                                'null')
                    THEN source.birth_rectification
                        ELSE (v_new.profile #>> '{birth_info,rectification}')::numeric END,
                CASE WHEN to_jsonb(source.gender)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,gender}', 'null')
                    THEN source.gender ELSE (v_new.profile #>> '{birth_info,gender}')::text END,
                CASE WHEN to_jsonb(source.language)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,language}', 'null')
                    THEN source.language
                        ELSE (v_new.profile #>> '{preferences,language}')::text END,
                CASE WHEN to_jsonb(source.timezone)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,timezone}', 'null')
                    THEN source.timezone
                        ELSE (v_new.profile #>> '{preferences,timezone}')::text END,
                CASE WHEN to_jsonb(source.notifications_enabled)
                    IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                '{preferences,notifications_enabled}', 'null')
                    THEN source.notifications_enabled
                        ELSE (v_new.profile #>> '{preferences,notifications_enabled}')::boolean END,
                CASE WHEN (to_jsonb(source.reminder_time)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_time}',
                    'null') OR pgtandem.same_time(to_jsonb(source.reminder_time),
                    nullif(v_new.profile #> '{preferences,reminder_time}', 'null')))
                    THEN source.reminder_time
                        ELSE (v_new.profile #>> '{preferences,reminder_time}')::time END,
                CASE WHEN to_jsonb(source.reminder_days)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_days}',
                                                'null')
                    THEN source.reminder_days
                        ELSE pgtandem.array_of(v_new.profile #>
                                               '{preferences,reminder_days}')::integer[] END,
                CASE WHEN to_jsonb(source.session_minutes)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,session_minutes}',
                                                'null')
                    THEN source.session_minutes
                        ELSE (v_new.profile #>> '{preferences,session_minutes}')::numeric::integer
                        END,
                CASE WHEN to_jsonb(source.interests)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,interests}', 'null')
                    THEN source.interests
                        ELSE pgtandem.array_of(v_new.profile #> '{preferences,interests}')::text[]
                        END,
                CASE WHEN nullif(source.client_settings, 'null')
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,client_settings}',
                                                'null')
                    THEN source.client_settings
                        ELSE nullif(v_new.profile #> '{preferences,client_settings}', 'null') END,
                CASE WHEN (pgtandem.json_of(source.deletion_requested_at)
                           IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,requested_at}',
                    'null') OR pgtandem.same_time(pgtandem.json_of(source.deletion_requested_at),
                                                  nullif(v_new.profile #> '{deletion,requested_at}',
                                                         'null')))
                    THEN source.deletion_requested_at
                        ELSE (v_new.profile #>> '{deletion,requested_at}')::timestamptz END,
                CASE WHEN to_jsonb(source.deletion_reason)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,reason}', 'null')
                    THEN source.deletion_reason
                        ELSE (v_new.profile #>> '{deletion,reason}')::text END,
                CASE WHEN (to_jsonb(source.deletion_scheduled_for)
                           IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,scheduled_for}',
                    'null') OR pgtandem.same_time(to_jsonb(source.deletion_scheduled_for),
                    nullif(v_new.profile #> '{deletion,scheduled_for}', 'null')))
                    THEN source.deletion_scheduled_for
                        ELSE (v_new.profile #>> '{deletion,scheduled_for}')::date END,
                CASE WHEN (pgtandem.json_of(source.deleted_at)
                           IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,deleted_at}',
                    'null') OR pgtandem.same_time(pgtandem.json_of(source.deleted_at),
                                                  nullif(v_new.profile #> '{deletion,deleted_at}',
                                                         'null')))
                    THEN source.deleted_at
                        ELSE (v_new.profile #>> '{deletion,deleted_at}')::timestamptz END
            FROM (SELECT s.id, s.pgtandem_old_1 AS display_name, s.pgtandem_old_2 AS avatar_url,
                  s.pgtandem_old_3 AS email, s.pgtandem_old_4 AS phone,
                  s.pgtandem_old_5 AS email_verified, s.pgtandem_old_6 AS linked_providers,
                  s.pgtandem_old_7 AS birth_datetime, s.pgtandem_old_8 AS birth_date,
                  s.pgtandem_old_9 AS birth_time, s.pgtandem_old_10 AS birth_place,
                  s.pgtandem_old_11 AS birth_latitude, s.pgtandem_old_12 AS birth_longitude,
                  s.pgtandem_old_13 AS birth_rectification, s.pgtandem_old_14 AS gender,
                  s.pgtandem_old_15 AS language, s.pgtandem_old_16 AS timezone,
                  s.pgtandem_old_17 AS notifications_enabled, s.pgtandem_old_18 AS reminder_time,
                  s.pgtandem_old_19 AS reminder_days, s.pgtandem_old_20 AS session_minutes,
                  s.pgtandem_old_21 AS interests, s.pgtandem_old_22 AS client_settings,
                  s.pgtandem_old_23 AS deletion_requested_at, s.pgtandem_old_24 AS deletion_reason,
                  s.pgtandem_old_25 AS deletion_scheduled_for, s.pgtandem_old_26 AS deleted_at,
                  s.pgtandem_old_27 AS last_seen_at
          FROM vibelife.vibe_users AS s WHERE s.id = v_key1) AS source)
        WHERE s.id = v_key1
          AND NOT EXISTS (SELECT FROM (SELECT s.id, s.pgtandem_old_1 AS display_name,
                                       s.pgtandem_old_2 AS avatar_url, s.pgtandem_old_3 AS email,
                                       s.pgtandem_old_4 AS phone,
                                       s.pgtandem_old_5 AS email_verified,
                                       s.pgtandem_old_6 AS linked_providers,
                                       s.pgtandem_old_7 AS birth_datetime,
                                       s.pgtandem_old_8 AS birth_date,
                                       s.pgtandem_old_9 AS birth_time,
                                       s.pgtandem_old_10 AS birth_place,
                                       s.pgtandem_old_11 AS birth_latitude,
                                       s.pgtandem_old_12 AS birth_longitude,
                                       s.pgtandem_old_13 AS birth_rectification,
                                       s.pgtandem_old_14 AS gender, s.pgtandem_old_15 AS language,
                                       s.pgtandem_old_16 AS timezone,
                                       s.pgtandem_old_17 AS notifications_enabled,
                                       s.pgtandem_old_18 AS reminder_time,
                                       s.pgtandem_old_19 AS reminder_days,
                                       s.pgtandem_old_20 AS session_minutes,
                                       s.pgtandem_old_21 AS interests,
                                       s.pgtandem_old_22 AS client_settings,
                                       s.pgtandem_old_23 AS deletion_requested_at,
                                       s.pgtandem_old_24 AS deletion_reason,
                                       s.pgtandem_old_25 AS deletion_scheduled_for,
                                       s.pgtandem_old_26 AS deleted_at,
                                       s.pgtandem_old_27 AS last_seen_at
          FROM vibelife.vibe_users AS s WHERE s.id = v_key1) AS source
                          WHERE to_jsonb(source.display_name)
                              IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,display_name}',
                                                          'null')
                            AND to_jsonb(source.avatar_url)
                                IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,avatar_url}',
                                                            'null')
                            AND to_jsonb(source.email)
                                IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email}',
                                                            'null')
                            AND to_jsonb(source.phone)
                                IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,phone}',
                                                            'null')
                            AND to_jsonb(source.email_verified)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{account,email_verified}', 'null')
                            AND to_jsonb(source.linked_providers)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{account,linked_providers}', 'null')
                            AND (to_jsonb(source.birth_datetime)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{birth_info,birth_datetime}', 'null')
                                OR pgtandem.same_time(to_jsonb(source.birth_datetime),
                                nullif(v_new.profile #> '{birth_info,birth_datetime}', 'null')))
                            AND (to_jsonb(source.birth_date)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{birth_info,birth_date}', 'null')
                                OR pgtandem.same_time(to_jsonb(source.birth_date),
                                nullif(v_new.profile #> '{birth_info,birth_date}', 'null')))
                            AND (to_jsonb(source.birth_time)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{birth_info,birth_time}', 'null')
                                OR pgtandem.same_time(to_jsonb(source.birth_time),
                                nullif(v_new.profile #> '{birth_info,birth_time}', 'null')))
                            AND to_jsonb(source.birth_place)
                                IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,place}',
                                                            'null')
                            AND to_jsonb(source.birth_latitude)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{birth_info,latitude}', 'null')
                            AND to_jsonb(source.birth_longitude)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{birth_info,longitude}', 'null')
                            AND to_jsonb(source.birth_rectification)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{birth_info,rectification}', 'null')
                            AND to_jsonb(source.gender)
                                IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,gender}',
                                                            'null')
                            AND to_jsonb(source.language)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{preferences,language}', 'null')
                            AND to_jsonb(source.timezone)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{preferences,timezone}', 'null')
                            AND to_jsonb(source.notifications_enabled)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{preferences,notifications_enabled}',
                                                            'null')
                            AND (to_jsonb(source.reminder_time)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{preferences,reminder_time}', 'null')
                                OR pgtandem.same_time(to_jsonb(source.reminder_time),
                                nullif(v_new.profile #> '{preferences,reminder_time}', 'null')))
                            AND to_jsonb(source.reminder_days)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{preferences,reminder_days}', 'null')
                            AND to_jsonb(source.session_minutes)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{preferences,session_minutes}', 'null')
                            AND to_jsonb(source.interests)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{preferences,interests}', 'null')
                            AND nullif(source.client_settings, 'null')
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{preferences,client_settings}', 'null')
                            AND (pgtandem.json_of(source.deletion_requested_at)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{deletion,requested_at}', 'null')
                                OR
                                pgtandem.same_time(pgtandem.json_of(source.deletion_requested_at),
                                nullif(v_new.profile #> '{deletion,requested_at}', 'null')))
                            AND to_jsonb(source.deletion_reason)
                                IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,reason}',
                                                            'null')
                            AND (to_jsonb(source.deletion_scheduled_for)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{deletion,scheduled_for}', 'null')
                                OR pgtandem.same_time(to_jsonb(source.deletion_scheduled_for),
                                nullif(v_new.profile #> '{deletion,scheduled_for}', 'null')))
                            AND (pgtandem.json_of(source.deleted_at)
                                IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                            '{deletion,deleted_at}', 'null')
                                OR pgtandem.same_time(pgtandem.json_of(source.deleted_at),
                                nullif(v_new.profile #> '{deletion,deleted_at}', 'null'))));
    END IF;
    SELECT NOT v_found OR (source.id IS NOT DISTINCT FROM v_new.user_id
               AND to_jsonb(source.display_name)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,display_name}', 'null')
               AND to_jsonb(source.avatar_url)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,avatar_url}', 'null')
               AND to_jsonb(source.email)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email}', 'null')
               AND to_jsonb(source.phone)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,phone}', 'null')
               AND to_jsonb(source.email_verified)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email_verified}', 'null')
               AND to_jsonb(source.linked_providers)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,linked_providers}',
                                               'null')
               AND (to_jsonb(source.birth_datetime)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_datetime}',
                   'null') OR pgtandem.same_time(to_jsonb(source.birth_datetime),
                   nullif(v_new.profile #> '{birth_info,birth_datetime}', 'null')))
               AND (to_jsonb(source.birth_date)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_date}', 'null')
                    OR pgtandem.same_time(to_jsonb(source.birth_date),
                                          nullif(v_new.profile #> '{birth_info,birth_date}',
                                                 'null')))
               AND (to_jsonb(source.birth_time)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_time}', 'null')
                    OR pgtandem.same_time(to_jsonb(source.birth_time),
                                          nullif(v_new.profile #> '{birth_info,birth_time}',
                                                 'null')))
               AND to_jsonb(source.birth_place)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,place}', 'null')
               AND to_jsonb(source.birth_latitude)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,latitude}', 'null')
               AND to_jsonb(source.birth_longitude)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,longitude}', 'null')
               AND to_jsonb(source.birth_rectification)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,rectification}',
                                               'null')
               AND to_jsonb(source.gender)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,gender}', 'null')
               AND to_jsonb(source.language)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,language}', 'null')
               AND to_jsonb(source.timezone)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,timezone}', 'null')
               AND to_jsonb(source.notifications_enabled)
                   IS NOT DISTINCT FROM nullif(v_new.profile #>
                                               '{preferences,notifications_enabled}', 'null')
               AND (to_jsonb(source.reminder_time)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_time}',
                   'null') OR pgtandem.same_time(to_jsonb(source.reminder_time),
                   nullif(v_new.profile #> '{preferences,reminder_time}', 'null')))
               AND to_jsonb(source.reminder_days)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_days}',
                                               'null')
               AND to_jsonb(source.session_minutes)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,session_minutes}',
                                               'null')
               AND to_jsonb(source.interests)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,interests}', 'null')
               AND nullif(source.client_settings, 'null')
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,client_settings}',
                                               'null')
               AND (pgtandem.json_of(source.deletion_requested_at)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,requested_at}', 'null')
                    OR pgtandem.same_time(pgtandem.json_of(source.deletion_requested_at),
                                          nullif(v_new.profile #> '{deletion,requested_at}',
                                                 'null')))
               AND to_jsonb(source.deletion_reason)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,reason}', 'null')
               AND (to_jsonb(source.deletion_scheduled_for)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,scheduled_for}', 'null')
                    OR pgtandem.same_time(to_jsonb(source.deletion_scheduled_for),
                                          nullif(v_new.profile #> '{deletion,scheduled_for}',
                                                 'null')))
               AND (pgtandem.json_of(source.deleted_at)
                    IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,deleted_at}', 'null')
                    OR pgtandem.same_time(pgtandem.json_of(source.deleted_at),
                                          nullif(v_new.profile #> '{deletion,deleted_at}',
                                                 'null')))),
           array_remove(ARRAY[CASE WHEN source.display_name IS NULL THEN 'display_name' END,
                              CASE WHEN source.avatar_url IS NULL THEN 'avatar_url' END,
                              CASE WHEN source.email IS NULL THEN 'email' END,
                              CASE WHEN source.phone IS NULL THEN 'phone' END,
                              CASE WHEN source.email_verified IS NULL THEN 'email_verified' END,
                              CASE WHEN source.linked_providers IS NULL THEN 'linked_providers' END,
                              CASE WHEN source.birth_datetime IS NULL THEN 'birth_datetime' END,
                              CASE WHEN source.birth_date IS NULL THEN 'birth_date' END,
                              CASE WHEN source.birth_time IS NULL THEN 'birth_time' END,
                              CASE WHEN source.birth_place IS NULL THEN 'birth_place' END,
                              CASE WHEN source.birth_latitude IS NULL THEN 'birth_latitude' END,
                              CASE WHEN source.birth_longitude IS NULL THEN 'birth_longitude' END,
                              CASE WHEN source.birth_rectification IS NULL
                                  THEN 'birth_rectification' END,
                              CASE WHEN source.gender IS NULL THEN 'gender' END,
                              CASE WHEN source.language IS NULL THEN 'language' END,
                              CASE WHEN source.timezone IS NULL THEN 'timezone' END,
                              CASE WHEN source.notifications_enabled IS NULL
                                  THEN 'notifications_enabled' END,
                              CASE WHEN source.reminder_time IS NULL THEN 'reminder_time' END,
                              CASE WHEN source.reminder_days IS NULL THEN 'reminder_days' END,
                              CASE WHEN source.session_minutes IS NULL THEN 'session_minutes' END,
                              CASE WHEN source.interests IS NULL THEN 'interests' END,
                              CASE WHEN source.client_settings IS NULL THEN 'client_settings' END,
                              CASE WHEN source.deletion_requested_at IS NULL
                                  THEN 'deletion_requested_at' END,
                              CASE WHEN source.deletion_reason IS NULL THEN 'deletion_reason' END,
                              CASE WHEN source.deletion_scheduled_for IS NULL
                                  THEN 'deletion_scheduled_for' END,
                              CASE WHEN source.deleted_at IS NULL THEN 'deleted_at' END,
                              CASE WHEN source.last_seen_at IS NULL THEN 'last_seen_at' END], NULL)
    INTO v_kept, v_empty
    FROM (SELECT s.id, s.pgtandem_old_1 AS display_name, s.pgtandem_old_2 AS avatar_url,
          s.pgtandem_old_3 AS email, s.pgtandem_old_4 AS phone, s.pgtandem_old_5 AS email_verified,
          s.pgtandem_old_6 AS linked_providers, s.pgtandem_old_7 AS birth_datetime,
          s.pgtandem_old_8 AS birth_date, s.pgtandem_old_9 AS birth_time,
          s.pgtandem_old_10 AS birth_place, s.pgtandem_old_11 AS birth_latitude,
          s.pgtandem_old_12 AS birth_longitude, s.pgtandem_old_13 AS birth_rectification,
          s.pgtandem_old_14 AS gender, s.pgtandem_old_15 AS language, s.pgtandem_old_16 AS timezone,
          s.pgtandem_old_17 AS notifications_enabled, s.pgtandem_old_18 AS reminder_time,
          s.pgtandem_old_19 AS reminder_days, s.pgtandem_old_20 AS session_minutes,
          s.pgtandem_old_21 AS interests, s.pgtandem_old_22 AS client_settings,
          s.pgtandem_old_23 AS deletion_requested_at, s.pgtandem_old_24 AS deletion_reason,
          s.pgtandem_old_25 AS deletion_scheduled_for, s.pgtandem_old_26 AS deleted_at,
          s.pgtandem_old_27 AS last_seen_at
          FROM vibelife.vibe_users AS s WHERE s.id = v_key1) AS source;
    IF NOT v_kept OR EXISTS (
           SELECT FROM vibelife.vibe_users AS source, vibelife_archive.vibe_users AS archived
           WHERE NOT v_found AND source.id = v_key1 AND archived.id = v_key1
             AND (source.pgtandem_old_1 IS DISTINCT FROM archived.display_name
                  OR source.pgtandem_old_2 IS DISTINCT FROM archived.avatar_url
                  OR source.pgtandem_old_3 IS DISTINCT FROM archived.email
                  OR source.pgtandem_old_4 IS DISTINCT FROM archived.phone
                  OR source.pgtandem_old_5 IS DISTINCT FROM archived.email_verified
                  OR source.pgtandem_old_6 IS DISTINCT FROM archived.linked_providers
                  OR source.pgtandem_old_7 IS DISTINCT FROM archived.birth_datetime
                  OR source.pgtandem_old_8 IS DISTINCT FROM archived.birth_date
                  OR source.pgtandem_old_9 IS DISTINCT FROM archived.birth_time
                  OR source.pgtandem_old_10 IS DISTINCT FROM archived.birth_place
                  OR source.pgtandem_old_11 IS DISTINCT FROM archived.birth_latitude
                  OR source.pgtandem_old_12 IS DISTINCT FROM archived.birth_longitude
                  OR source.pgtandem_old_13 IS DISTINCT FROM archived.birth_rectification
                  OR source.pgtandem_old_14 IS DISTINCT FROM archived.gender
                  OR source.pgtandem_old_15 IS DISTINCT FROM archived.language
                  OR source.pgtandem_old_16 IS DISTINCT FROM archived.timezone
                  OR source.pgtandem_old_17 IS DISTINCT FROM archived.notifications_enabled
                  OR source.pgtandem_old_18 IS DISTINCT FROM archived.reminder_time
                  OR source.pgtandem_old_19 IS DISTINCT FROM archived.reminder_days
                  OR source.pgtandem_old_20 IS DISTINCT FROM archived.session_minutes
                  OR source.pgtandem_old_21 IS DISTINCT FROM archived.interests
                  OR source.pgtandem_old_22 IS DISTINCT FROM archived.client_settings
                  OR source.pgtandem_old_23 IS DISTINCT FROM archived.deletion_requested_at
                  OR source.pgtandem_old_24 IS DISTINCT FROM archived.deletion_reason
                  OR source.pgtandem_old_25 IS DISTINCT FROM archived.deletion_scheduled_for
                  OR source.pgtandem_old_26 IS DISTINCT FROM archived.deleted_at
                  OR source.pgtandem_old_27 IS DISTINCT FROM archived.last_seen_at)) THEN
        RAISE EXCEPTION 'the source % cannot hold the row % of %', 'vibelife.vibe_users', p_key,
            'vibelife.unified_profiles'
            USING ERRCODE = 'TD011',
                  DETAIL = 'A value does not survive the way there and back, or leaves the filter.',
                  HINT = 'Write a value that the old side can hold, then revert again.';
    END IF;
    PERFORM pgtandem.require_values('unified_profiles', v_empty);
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.settle_source(jsonb, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.settle_source(jsonb, text, boolean) IS
    'After contract: gives one row of the source the values of the columns that come back. p_last: '
    'whether it was inserted, renamed or deleted last, if at all; p_final: under the lock. TD011, '
    'TD013.';

DO $do$
BEGIN
    PERFORM pgtandem.set_phase('unified_profiles', 'contract');
END;
$do$;

COMMIT;
