-- The competitors of unified_profiles: one way, for updates alone, quick by what was learned here
-- (UPDATE first, each document built once, outside the statement). An error is stored.

CREATE SCHEMA hand;

CREATE TABLE hand.failure (id uuid NOT NULL, sqlstate text NOT NULL, message text NOT NULL);

-- The same merge as the sync's: every path, whatever changed.
CREATE FUNCTION hand.whole() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $$
DECLARE
    v_account jsonb;
    v_birth_info jsonb;
    v_preferences jsonb;
    v_deletion jsonb;
    v_sqlstate text;
    v_message text;
BEGIN
    IF NOT (OLD.id IS DISTINCT FROM NEW.id
            OR OLD.display_name IS DISTINCT FROM NEW.display_name
            OR OLD.avatar_url IS DISTINCT FROM NEW.avatar_url
            OR OLD.email IS DISTINCT FROM NEW.email
            OR OLD.phone IS DISTINCT FROM NEW.phone
            OR OLD.email_verified IS DISTINCT FROM NEW.email_verified
            OR OLD.linked_providers IS DISTINCT FROM NEW.linked_providers
            OR OLD.birth_datetime IS DISTINCT FROM NEW.birth_datetime
            OR OLD.birth_date IS DISTINCT FROM NEW.birth_date
            OR OLD.birth_time IS DISTINCT FROM NEW.birth_time
            OR OLD.birth_place IS DISTINCT FROM NEW.birth_place
            OR OLD.birth_latitude IS DISTINCT FROM NEW.birth_latitude
            OR OLD.birth_longitude IS DISTINCT FROM NEW.birth_longitude
            OR OLD.birth_rectification IS DISTINCT FROM NEW.birth_rectification
            OR OLD.gender IS DISTINCT FROM NEW.gender
            OR OLD.language IS DISTINCT FROM NEW.language
            OR OLD.timezone IS DISTINCT FROM NEW.timezone
            OR OLD.notifications_enabled IS DISTINCT FROM NEW.notifications_enabled
            OR OLD.reminder_time IS DISTINCT FROM NEW.reminder_time
            OR OLD.reminder_days IS DISTINCT FROM NEW.reminder_days
            OR OLD.session_minutes IS DISTINCT FROM NEW.session_minutes
            OR OLD.interests IS DISTINCT FROM NEW.interests
            OR OLD.client_settings IS DISTINCT FROM NEW.client_settings
            OR OLD.deletion_requested_at IS DISTINCT FROM NEW.deletion_requested_at
            OR OLD.deletion_reason IS DISTINCT FROM NEW.deletion_reason
            OR OLD.deletion_scheduled_for IS DISTINCT FROM NEW.deletion_scheduled_for
            OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) THEN
        RETURN NULL;
    END IF;
    BEGIN
        v_account := jsonb_build_object(
            'display_name', NEW.display_name,
            'avatar_url', NEW.avatar_url,
            'email', NEW.email,
            'phone', NEW.phone,
            'email_verified', NEW.email_verified,
            'linked_providers', NEW.linked_providers
        );
        v_birth_info := jsonb_build_object(
            'birth_datetime', NEW.birth_datetime,
            'birth_date', NEW.birth_date,
            'birth_time', NEW.birth_time,
            'place', NEW.birth_place,
            'latitude', NEW.birth_latitude,
            'longitude', NEW.birth_longitude,
            'rectification', NEW.birth_rectification,
            'gender', NEW.gender
        );
        v_preferences := jsonb_build_object(
            'language', NEW.language,
            'timezone', NEW.timezone,
            'notifications_enabled', NEW.notifications_enabled,
            'reminder_time', NEW.reminder_time,
            'reminder_days', NEW.reminder_days,
            'session_minutes', NEW.session_minutes,
            'interests', NEW.interests,
            'client_settings', NEW.client_settings
        );
        v_deletion := jsonb_build_object(
            'requested_at', to_char(NEW.deletion_requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
            'reason', NEW.deletion_reason,
            'scheduled_for', NEW.deletion_scheduled_for,
            'deleted_at', to_char(NEW.deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
        );
        UPDATE vibelife.unified_profiles AS p
        SET profile = p.profile || jsonb_build_object(
            'account', CASE jsonb_typeof(p.profile -> 'account') WHEN 'object' THEN p.profile -> 'account'
                     ELSE '{}' END || v_account,
            'birth_info', CASE jsonb_typeof(p.profile -> 'birth_info') WHEN 'object' THEN p.profile -> 'birth_info'
                     ELSE '{}' END || v_birth_info,
            'preferences', CASE jsonb_typeof(p.profile -> 'preferences') WHEN 'object' THEN p.profile -> 'preferences'
                     ELSE '{}' END || v_preferences,
            'deletion', CASE jsonb_typeof(p.profile -> 'deletion') WHEN 'object' THEN p.profile -> 'deletion'
                     ELSE '{}' END || v_deletion)
        WHERE p.user_id = NEW.id;
        IF NOT FOUND THEN
            INSERT INTO vibelife.unified_profiles (user_id, profile)
            VALUES (NEW.id, jsonb_build_object('account', v_account, 'birth_info', v_birth_info,
                            'preferences', v_preferences, 'deletion', v_deletion))
            ON CONFLICT (user_id) DO NOTHING;
        END IF;
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            INSERT INTO hand.failure (id, sqlstate, message)
            VALUES (NEW.id, v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$$;

-- Only the parts that changed; for a user without a document, nothing.
CREATE FUNCTION hand.parts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $$
DECLARE
    v_account jsonb;
    v_birth_info jsonb;
    v_preferences jsonb;
    v_deletion jsonb;
    v_sqlstate text;
    v_message text;
BEGIN
    IF NOT (OLD.id IS DISTINCT FROM NEW.id
            OR OLD.display_name IS DISTINCT FROM NEW.display_name
            OR OLD.avatar_url IS DISTINCT FROM NEW.avatar_url
            OR OLD.email IS DISTINCT FROM NEW.email
            OR OLD.phone IS DISTINCT FROM NEW.phone
            OR OLD.email_verified IS DISTINCT FROM NEW.email_verified
            OR OLD.linked_providers IS DISTINCT FROM NEW.linked_providers
            OR OLD.birth_datetime IS DISTINCT FROM NEW.birth_datetime
            OR OLD.birth_date IS DISTINCT FROM NEW.birth_date
            OR OLD.birth_time IS DISTINCT FROM NEW.birth_time
            OR OLD.birth_place IS DISTINCT FROM NEW.birth_place
            OR OLD.birth_latitude IS DISTINCT FROM NEW.birth_latitude
            OR OLD.birth_longitude IS DISTINCT FROM NEW.birth_longitude
            OR OLD.birth_rectification IS DISTINCT FROM NEW.birth_rectification
            OR OLD.gender IS DISTINCT FROM NEW.gender
            OR OLD.language IS DISTINCT FROM NEW.language
            OR OLD.timezone IS DISTINCT FROM NEW.timezone
            OR OLD.notifications_enabled IS DISTINCT FROM NEW.notifications_enabled
            OR OLD.reminder_time IS DISTINCT FROM NEW.reminder_time
            OR OLD.reminder_days IS DISTINCT FROM NEW.reminder_days
            OR OLD.session_minutes IS DISTINCT FROM NEW.session_minutes
            OR OLD.interests IS DISTINCT FROM NEW.interests
            OR OLD.client_settings IS DISTINCT FROM NEW.client_settings
            OR OLD.deletion_requested_at IS DISTINCT FROM NEW.deletion_requested_at
            OR OLD.deletion_reason IS DISTINCT FROM NEW.deletion_reason
            OR OLD.deletion_scheduled_for IS DISTINCT FROM NEW.deletion_scheduled_for
            OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) THEN
        RETURN NULL;
    END IF;
    BEGIN
        IF OLD.display_name IS DISTINCT FROM NEW.display_name
           OR OLD.avatar_url IS DISTINCT FROM NEW.avatar_url
           OR OLD.email IS DISTINCT FROM NEW.email
           OR OLD.phone IS DISTINCT FROM NEW.phone
           OR OLD.email_verified IS DISTINCT FROM NEW.email_verified
           OR OLD.linked_providers IS DISTINCT FROM NEW.linked_providers THEN
            v_account := jsonb_build_object(
                'display_name', NEW.display_name,
                'avatar_url', NEW.avatar_url,
                'email', NEW.email,
                'phone', NEW.phone,
                'email_verified', NEW.email_verified,
                'linked_providers', NEW.linked_providers
            );
        END IF;
        IF OLD.birth_datetime IS DISTINCT FROM NEW.birth_datetime
           OR OLD.birth_date IS DISTINCT FROM NEW.birth_date
           OR OLD.birth_time IS DISTINCT FROM NEW.birth_time
           OR OLD.birth_place IS DISTINCT FROM NEW.birth_place
           OR OLD.birth_latitude IS DISTINCT FROM NEW.birth_latitude
           OR OLD.birth_longitude IS DISTINCT FROM NEW.birth_longitude
           OR OLD.birth_rectification IS DISTINCT FROM NEW.birth_rectification
           OR OLD.gender IS DISTINCT FROM NEW.gender THEN
            v_birth_info := jsonb_build_object(
                'birth_datetime', NEW.birth_datetime,
                'birth_date', NEW.birth_date,
                'birth_time', NEW.birth_time,
                'place', NEW.birth_place,
                'latitude', NEW.birth_latitude,
                'longitude', NEW.birth_longitude,
                'rectification', NEW.birth_rectification,
                'gender', NEW.gender
            );
        END IF;
        IF OLD.language IS DISTINCT FROM NEW.language
           OR OLD.timezone IS DISTINCT FROM NEW.timezone
           OR OLD.notifications_enabled IS DISTINCT FROM NEW.notifications_enabled
           OR OLD.reminder_time IS DISTINCT FROM NEW.reminder_time
           OR OLD.reminder_days IS DISTINCT FROM NEW.reminder_days
           OR OLD.session_minutes IS DISTINCT FROM NEW.session_minutes
           OR OLD.interests IS DISTINCT FROM NEW.interests
           OR OLD.client_settings IS DISTINCT FROM NEW.client_settings THEN
            v_preferences := jsonb_build_object(
                'language', NEW.language,
                'timezone', NEW.timezone,
                'notifications_enabled', NEW.notifications_enabled,
                'reminder_time', NEW.reminder_time,
                'reminder_days', NEW.reminder_days,
                'session_minutes', NEW.session_minutes,
                'interests', NEW.interests,
                'client_settings', NEW.client_settings
            );
        END IF;
        IF OLD.deletion_requested_at IS DISTINCT FROM NEW.deletion_requested_at
           OR OLD.deletion_reason IS DISTINCT FROM NEW.deletion_reason
           OR OLD.deletion_scheduled_for IS DISTINCT FROM NEW.deletion_scheduled_for
           OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at THEN
            v_deletion := jsonb_build_object(
                'requested_at', to_char(NEW.deletion_requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
                'reason', NEW.deletion_reason,
                'scheduled_for', NEW.deletion_scheduled_for,
                'deleted_at', to_char(NEW.deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
            );
        END IF;
        UPDATE vibelife.unified_profiles AS p
        SET profile = p.profile || (
            CASE WHEN v_account IS NULL THEN '{}' ELSE jsonb_build_object('account',
                CASE jsonb_typeof(p.profile -> 'account') WHEN 'object' THEN p.profile -> 'account'
                     ELSE '{}' END || v_account) END
         || CASE WHEN v_birth_info IS NULL THEN '{}' ELSE jsonb_build_object('birth_info',
                CASE jsonb_typeof(p.profile -> 'birth_info') WHEN 'object' THEN p.profile -> 'birth_info'
                     ELSE '{}' END || v_birth_info) END
         || CASE WHEN v_preferences IS NULL THEN '{}' ELSE jsonb_build_object('preferences',
                CASE jsonb_typeof(p.profile -> 'preferences') WHEN 'object' THEN p.profile -> 'preferences'
                     ELSE '{}' END || v_preferences) END
         || CASE WHEN v_deletion IS NULL THEN '{}' ELSE jsonb_build_object('deletion',
                CASE jsonb_typeof(p.profile -> 'deletion') WHEN 'object' THEN p.profile -> 'deletion'
                     ELSE '{}' END || v_deletion) END)
        WHERE p.user_id = NEW.id;
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            INSERT INTO hand.failure (id, sqlstate, message)
            VALUES (NEW.id, v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$$;

CREATE TRIGGER hand_whole AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW EXECUTE FUNCTION hand.whole();
CREATE TRIGGER hand_parts AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW EXECUTE FUNCTION hand.parts();

-- Between rounds: let only the triggers of one kind fire, and that of the old system.
CREATE FUNCTION hand.switch_triggers(p_kind text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_trigger record;
BEGIN
    FOR v_trigger IN
        SELECT tgrelid::regclass AS relation, tgname AS name,
               CASE p_kind
                   WHEN 'pgtandem' THEN tgname ~ '(profile|profiles_back)_(write|update)$'
                   ELSE tgname = p_kind
               END OR tgname = 'vibe_users_touch' AS wanted
        FROM pg_trigger
        WHERE NOT tgisinternal
          AND tgrelid IN ('vibelife.vibe_users'::regclass, 'vibelife.unified_profiles'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', v_trigger.relation,
                       CASE WHEN v_trigger.wanted THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END,
                       v_trigger.name);
    END LOOP;
END;
$$;
