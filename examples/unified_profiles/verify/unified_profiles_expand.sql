-- Verify unified_profiles:unified_profiles_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

-- Contract takes the columns away, and with them what reads them.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'unified_profiles' AND phase IN ('contract')
       ) AS contracted \gset
\if :contracted
    \quit
\endif

BEGIN;

SELECT user_id, "profile.account.display_name", "profile.account.avatar_url",
    "profile.account.email", "profile.account.phone", "profile.account.email_verified",
    "profile.account.linked_providers", "profile.birth_info.birth_datetime",
    "profile.birth_info.birth_date", "profile.birth_info.birth_time", "profile.birth_info.place",
    "profile.birth_info.latitude", "profile.birth_info.longitude",
    "profile.birth_info.rectification", "profile.birth_info.gender", "profile.preferences.language",
    "profile.preferences.timezone", "profile.preferences.notifications_enabled",
    "profile.preferences.reminder_time", "profile.preferences.reminder_days",
    "profile.preferences.session_minutes", "profile.preferences.interests",
    "profile.preferences.client_settings", "profile.deletion.requested_at",
    "profile.deletion.reason", "profile.deletion.scheduled_for",
    "profile.deletion.deleted_at" FROM pgtandem_unified_profiles.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_unified_profiles.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_unified_profiles.compared_keys('[]');
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
END;
$do$;

ROLLBACK;
