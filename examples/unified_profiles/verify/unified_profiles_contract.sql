-- Verify unified_profiles:unified_profiles_contract on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where the archive is missing, a column is still there, or writes are not noted.
--
-- Locks: nothing.

BEGIN;

DO $do$
BEGIN
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
END;
$do$;
SELECT id, display_name, avatar_url, email, phone, email_verified, linked_providers, birth_datetime,
    birth_date, birth_time, birth_place, birth_latitude, birth_longitude, birth_rectification,
    gender, language, timezone, notifications_enabled, reminder_time, reminder_days,
    session_minutes, interests, client_settings, deletion_requested_at, deletion_reason,
    deletion_scheduled_for, deleted_at, last_seen_at FROM vibelife_archive.vibe_users WHERE false;
DO $do$
BEGIN
    PERFORM pgtandem.require_gone('unified_profiles');
    PERFORM pgtandem.require_trigger('vibelife.vibe_users',
                                     'pgtandem_unified_profiles_note_source');
    PERFORM pgtandem.require_trigger('vibelife.unified_profiles',
                                     'pgtandem_unified_profiles_note_write');
    PERFORM pgtandem.require_trigger('vibelife.unified_profiles',
                                     'pgtandem_unified_profiles_note_update');
END;
$do$;

ROLLBACK;
