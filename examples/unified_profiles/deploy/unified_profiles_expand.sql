-- Deploy unified_profiles:unified_profiles_expand to pg
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
-- requires: pgtandem:document
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What vibelife.unified_profiles should hold, as a view by key, and the comparison of the two.
-- Nothing writes yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_unified_profiles;
COMMENT ON SCHEMA pgtandem_unified_profiles IS
    'Rendered from the mapping "unified_profiles": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_unified_profiles.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_unified_profiles.compared(uuid, uuid);
DROP VIEW IF EXISTS pgtandem_unified_profiles.categories;
DROP VIEW IF EXISTS pgtandem_unified_profiles.image;
CREATE VIEW pgtandem_unified_profiles.image AS
SELECT source.id AS user_id,
       to_jsonb(source.display_name) AS "profile.account.display_name",
       to_jsonb(source.avatar_url) AS "profile.account.avatar_url",
       to_jsonb(source.email) AS "profile.account.email",
       to_jsonb(source.phone) AS "profile.account.phone",
       to_jsonb(source.email_verified) AS "profile.account.email_verified",
       to_jsonb(source.linked_providers) AS "profile.account.linked_providers",
       to_jsonb(source.birth_datetime) AS "profile.birth_info.birth_datetime",
       to_jsonb(source.birth_date) AS "profile.birth_info.birth_date",
       to_jsonb(source.birth_time) AS "profile.birth_info.birth_time",
       to_jsonb(source.birth_place) AS "profile.birth_info.place",
       to_jsonb(source.birth_latitude) AS "profile.birth_info.latitude",
       to_jsonb(source.birth_longitude) AS "profile.birth_info.longitude",
       to_jsonb(source.birth_rectification) AS "profile.birth_info.rectification",
       to_jsonb(source.gender) AS "profile.birth_info.gender",
       to_jsonb(source.language) AS "profile.preferences.language",
       to_jsonb(source.timezone) AS "profile.preferences.timezone",
       to_jsonb(source.notifications_enabled) AS "profile.preferences.notifications_enabled",
       to_jsonb(source.reminder_time) AS "profile.preferences.reminder_time",
       to_jsonb(source.reminder_days) AS "profile.preferences.reminder_days",
       to_jsonb(source.session_minutes) AS "profile.preferences.session_minutes",
       to_jsonb(source.interests) AS "profile.preferences.interests",
       nullif(source.client_settings, 'null') AS "profile.preferences.client_settings",
       pgtandem.json_of(source.deletion_requested_at) AS "profile.deletion.requested_at",
       to_jsonb(source.deletion_reason) AS "profile.deletion.reason",
       to_jsonb(source.deletion_scheduled_for) AS "profile.deletion.scheduled_for",
       pgtandem.json_of(source.deleted_at) AS "profile.deletion.deleted_at"
FROM vibelife.vibe_users AS source;
COMMENT ON VIEW pgtandem_unified_profiles.image IS
    'What vibelife.unified_profiles should hold, by key.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_unified_profiles.compared(
    p_low  uuid DEFAULT NULL,
    p_high uuid DEFAULT NULL
) RETURNS TABLE (
    key       jsonb,
    in_source boolean,
    in_target boolean,
    changed   boolean,
    columns   text[],
    source    jsonb,
    target    jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT jsonb_build_array(coalesce(t.user_id, i.user_id)),
           i.user_id IS NOT NULL OR t.user_id IS NULL,
           t.user_id IS NOT NULL,
           i.user_id IS NOT NULL AND t.user_id IS NOT NULL
               AND (i."profile.account.display_name"
                    IS DISTINCT FROM t."profile.account.display_name"
                    OR i."profile.account.avatar_url"
                        IS DISTINCT FROM t."profile.account.avatar_url"
                    OR i."profile.account.email" IS DISTINCT FROM t."profile.account.email"
                    OR i."profile.account.phone" IS DISTINCT FROM t."profile.account.phone"
                    OR i."profile.account.email_verified"
                        IS DISTINCT FROM t."profile.account.email_verified"
                    OR i."profile.account.linked_providers"
                        IS DISTINCT FROM t."profile.account.linked_providers"
                    OR (i."profile.birth_info.birth_datetime"
                        IS DISTINCT FROM t."profile.birth_info.birth_datetime"
                        AND NOT pgtandem.same_time(i."profile.birth_info.birth_datetime",
                                                   t."profile.birth_info.birth_datetime"))
                    OR (i."profile.birth_info.birth_date"
                        IS DISTINCT FROM t."profile.birth_info.birth_date"
                        AND NOT pgtandem.same_time(i."profile.birth_info.birth_date",
                                                   t."profile.birth_info.birth_date"))
                    OR (i."profile.birth_info.birth_time"
                        IS DISTINCT FROM t."profile.birth_info.birth_time"
                        AND NOT pgtandem.same_time(i."profile.birth_info.birth_time",
                                                   t."profile.birth_info.birth_time"))
                    OR i."profile.birth_info.place" IS DISTINCT FROM t."profile.birth_info.place"
                    OR i."profile.birth_info.latitude"
                        IS DISTINCT FROM t."profile.birth_info.latitude"
                    OR i."profile.birth_info.longitude"
                        IS DISTINCT FROM t."profile.birth_info.longitude"
                    OR i."profile.birth_info.rectification"
                        IS DISTINCT FROM t."profile.birth_info.rectification"
                    OR i."profile.birth_info.gender" IS DISTINCT FROM t."profile.birth_info.gender"
                    OR i."profile.preferences.language"
                        IS DISTINCT FROM t."profile.preferences.language"
                    OR i."profile.preferences.timezone"
                        IS DISTINCT FROM t."profile.preferences.timezone"
                    OR i."profile.preferences.notifications_enabled"
                        IS DISTINCT FROM t."profile.preferences.notifications_enabled"
                    OR (i."profile.preferences.reminder_time"
                        IS DISTINCT FROM t."profile.preferences.reminder_time"
                        AND NOT pgtandem.same_time(i."profile.preferences.reminder_time",
                                                   t."profile.preferences.reminder_time"))
                    OR i."profile.preferences.reminder_days"
                        IS DISTINCT FROM t."profile.preferences.reminder_days"
                    OR i."profile.preferences.session_minutes"
                        IS DISTINCT FROM t."profile.preferences.session_minutes"
                    OR i."profile.preferences.interests"
                        IS DISTINCT FROM t."profile.preferences.interests"
                    OR i."profile.preferences.client_settings"
                        IS DISTINCT FROM t."profile.preferences.client_settings"
                    OR (i."profile.deletion.requested_at"
                        IS DISTINCT FROM t."profile.deletion.requested_at"
                        AND NOT pgtandem.same_time(i."profile.deletion.requested_at",
                                                   t."profile.deletion.requested_at"))
                    OR i."profile.deletion.reason" IS DISTINCT FROM t."profile.deletion.reason"
                    OR (i."profile.deletion.scheduled_for"
                        IS DISTINCT FROM t."profile.deletion.scheduled_for"
                        AND NOT pgtandem.same_time(i."profile.deletion.scheduled_for",
                                                   t."profile.deletion.scheduled_for"))
                    OR (i."profile.deletion.deleted_at"
                        IS DISTINCT FROM t."profile.deletion.deleted_at"
                        AND NOT pgtandem.same_time(i."profile.deletion.deleted_at",
                                                   t."profile.deletion.deleted_at"))),
           array_remove(ARRAY[CASE WHEN i."profile.account.display_name"
               IS DISTINCT FROM t."profile.account.display_name"
               THEN 'profile.account.display_name' END,
                              CASE WHEN i."profile.account.avatar_url"
                                  IS DISTINCT FROM t."profile.account.avatar_url"
                                  THEN 'profile.account.avatar_url' END,
                              CASE WHEN i."profile.account.email"
                                  IS DISTINCT FROM t."profile.account.email"
                                  THEN 'profile.account.email' END,
                              CASE WHEN i."profile.account.phone"
                                  IS DISTINCT FROM t."profile.account.phone"
                                  THEN 'profile.account.phone' END,
                              CASE WHEN i."profile.account.email_verified"
                                  IS DISTINCT FROM t."profile.account.email_verified"
                                  THEN 'profile.account.email_verified' END,
                              CASE WHEN i."profile.account.linked_providers"
                                  IS DISTINCT FROM t."profile.account.linked_providers"
                                  THEN 'profile.account.linked_providers' END,
                              CASE WHEN (i."profile.birth_info.birth_datetime"
                                  IS DISTINCT FROM t."profile.birth_info.birth_datetime"
                                  AND NOT pgtandem.same_time(i."profile.birth_info.birth_datetime",
                                  t."profile.birth_info.birth_datetime"))
                                  THEN 'profile.birth_info.birth_datetime' END,
                              CASE WHEN (i."profile.birth_info.birth_date"
                                  IS DISTINCT FROM t."profile.birth_info.birth_date"
                                  AND NOT pgtandem.same_time(i."profile.birth_info.birth_date",
                                  t."profile.birth_info.birth_date"))
                                  THEN 'profile.birth_info.birth_date' END,
                              CASE WHEN (i."profile.birth_info.birth_time"
                                  IS DISTINCT FROM t."profile.birth_info.birth_time"
                                  AND NOT pgtandem.same_time(i."profile.birth_info.birth_time",
                                  t."profile.birth_info.birth_time"))
                                  THEN 'profile.birth_info.birth_time' END,
                              CASE WHEN i."profile.birth_info.place"
                                  IS DISTINCT FROM t."profile.birth_info.place"
                                  THEN 'profile.birth_info.place' END,
                              CASE WHEN i."profile.birth_info.latitude"
                                  IS DISTINCT FROM t."profile.birth_info.latitude"
                                  THEN 'profile.birth_info.latitude' END,
                              CASE WHEN i."profile.birth_info.longitude"
                                  IS DISTINCT FROM t."profile.birth_info.longitude"
                                  THEN 'profile.birth_info.longitude' END,
                              CASE WHEN i."profile.birth_info.rectification"
                                  IS DISTINCT FROM t."profile.birth_info.rectification"
                                  THEN 'profile.birth_info.rectification' END,
                              CASE WHEN i."profile.birth_info.gender"
                                  IS DISTINCT FROM t."profile.birth_info.gender"
                                  THEN 'profile.birth_info.gender' END,
                              CASE WHEN i."profile.preferences.language"
                                  IS DISTINCT FROM t."profile.preferences.language"
                                  THEN 'profile.preferences.language' END,
                              CASE WHEN i."profile.preferences.timezone"
                                  IS DISTINCT FROM t."profile.preferences.timezone"
                                  THEN 'profile.preferences.timezone' END,
                              CASE WHEN i."profile.preferences.notifications_enabled"
                                  IS DISTINCT FROM t."profile.preferences.notifications_enabled"
                                  THEN 'profile.preferences.notifications_enabled' END,
                              CASE WHEN (i."profile.preferences.reminder_time"
                                  IS DISTINCT FROM t."profile.preferences.reminder_time"
                                  AND NOT pgtandem.same_time(i."profile.preferences.reminder_time",
                                  t."profile.preferences.reminder_time"))
                                  THEN 'profile.preferences.reminder_time' END,
                              CASE WHEN i."profile.preferences.reminder_days"
                                  IS DISTINCT FROM t."profile.preferences.reminder_days"
                                  THEN 'profile.preferences.reminder_days' END,
                              CASE WHEN i."profile.preferences.session_minutes"
                                  IS DISTINCT FROM t."profile.preferences.session_minutes"
                                  THEN 'profile.preferences.session_minutes' END,
                              CASE WHEN i."profile.preferences.interests"
                                  IS DISTINCT FROM t."profile.preferences.interests"
                                  THEN 'profile.preferences.interests' END,
                              CASE WHEN i."profile.preferences.client_settings"
                                  IS DISTINCT FROM t."profile.preferences.client_settings"
                                  THEN 'profile.preferences.client_settings' END,
                              CASE WHEN (i."profile.deletion.requested_at"
                                  IS DISTINCT FROM t."profile.deletion.requested_at"
                                  AND NOT pgtandem.same_time(i."profile.deletion.requested_at",
                                  t."profile.deletion.requested_at"))
                                  THEN 'profile.deletion.requested_at' END,
                              CASE WHEN i."profile.deletion.reason"
                                  IS DISTINCT FROM t."profile.deletion.reason"
                                  THEN 'profile.deletion.reason' END,
                              CASE WHEN (i."profile.deletion.scheduled_for"
                                  IS DISTINCT FROM t."profile.deletion.scheduled_for"
                                  AND NOT pgtandem.same_time(i."profile.deletion.scheduled_for",
                                  t."profile.deletion.scheduled_for"))
                                  THEN 'profile.deletion.scheduled_for' END,
                              CASE WHEN (i."profile.deletion.deleted_at"
                                  IS DISTINCT FROM t."profile.deletion.deleted_at"
                                  AND NOT pgtandem.same_time(i."profile.deletion.deleted_at",
                                  t."profile.deletion.deleted_at"))
                                  THEN 'profile.deletion.deleted_at' END], NULL),
           jsonb_build_object('user_id', i.user_id::text,
                              'profile.account.display_name',
                              i."profile.account.display_name"::text,
                              'profile.account.avatar_url', i."profile.account.avatar_url"::text,
                              'profile.account.email', i."profile.account.email"::text,
                              'profile.account.phone', i."profile.account.phone"::text,
                              'profile.account.email_verified',
                              i."profile.account.email_verified"::text,
                              'profile.account.linked_providers',
                              i."profile.account.linked_providers"::text,
                              'profile.birth_info.birth_datetime',
                              i."profile.birth_info.birth_datetime"::text,
                              'profile.birth_info.birth_date',
                              i."profile.birth_info.birth_date"::text,
                              'profile.birth_info.birth_time',
                              i."profile.birth_info.birth_time"::text,
                              'profile.birth_info.place', i."profile.birth_info.place"::text,
                              'profile.birth_info.latitude', i."profile.birth_info.latitude"::text,
                              'profile.birth_info.longitude',
                              i."profile.birth_info.longitude"::text,
                              'profile.birth_info.rectification',
                              i."profile.birth_info.rectification"::text,
                              'profile.birth_info.gender', i."profile.birth_info.gender"::text,
                              'profile.preferences.language',
                              i."profile.preferences.language"::text,
                              'profile.preferences.timezone',
                              i."profile.preferences.timezone"::text,
                              'profile.preferences.notifications_enabled',
                              i."profile.preferences.notifications_enabled"::text,
                              'profile.preferences.reminder_time',
                              i."profile.preferences.reminder_time"::text,
                              'profile.preferences.reminder_days',
                              i."profile.preferences.reminder_days"::text,
                              'profile.preferences.session_minutes',
                              i."profile.preferences.session_minutes"::text,
                              'profile.preferences.interests',
                              i."profile.preferences.interests"::text,
                              'profile.preferences.client_settings',
                              i."profile.preferences.client_settings"::text,
                              'profile.deletion.requested_at',
                              i."profile.deletion.requested_at"::text,
                              'profile.deletion.reason', i."profile.deletion.reason"::text,
                              'profile.deletion.scheduled_for',
                              i."profile.deletion.scheduled_for"::text,
                              'profile.deletion.deleted_at', i."profile.deletion.deleted_at"::text),
           jsonb_build_object('user_id', t.user_id::text,
                              'profile.account.display_name',
                              t."profile.account.display_name"::text,
                              'profile.account.avatar_url', t."profile.account.avatar_url"::text,
                              'profile.account.email', t."profile.account.email"::text,
                              'profile.account.phone', t."profile.account.phone"::text,
                              'profile.account.email_verified',
                              t."profile.account.email_verified"::text,
                              'profile.account.linked_providers',
                              t."profile.account.linked_providers"::text,
                              'profile.birth_info.birth_datetime',
                              t."profile.birth_info.birth_datetime"::text,
                              'profile.birth_info.birth_date',
                              t."profile.birth_info.birth_date"::text,
                              'profile.birth_info.birth_time',
                              t."profile.birth_info.birth_time"::text,
                              'profile.birth_info.place', t."profile.birth_info.place"::text,
                              'profile.birth_info.latitude', t."profile.birth_info.latitude"::text,
                              'profile.birth_info.longitude',
                              t."profile.birth_info.longitude"::text,
                              'profile.birth_info.rectification',
                              t."profile.birth_info.rectification"::text,
                              'profile.birth_info.gender', t."profile.birth_info.gender"::text,
                              'profile.preferences.language',
                              t."profile.preferences.language"::text,
                              'profile.preferences.timezone',
                              t."profile.preferences.timezone"::text,
                              'profile.preferences.notifications_enabled',
                              t."profile.preferences.notifications_enabled"::text,
                              'profile.preferences.reminder_time',
                              t."profile.preferences.reminder_time"::text,
                              'profile.preferences.reminder_days',
                              t."profile.preferences.reminder_days"::text,
                              'profile.preferences.session_minutes',
                              t."profile.preferences.session_minutes"::text,
                              'profile.preferences.interests',
                              t."profile.preferences.interests"::text,
                              'profile.preferences.client_settings',
                              t."profile.preferences.client_settings"::text,
                              'profile.deletion.requested_at',
                              t."profile.deletion.requested_at"::text,
                              'profile.deletion.reason', t."profile.deletion.reason"::text,
                              'profile.deletion.scheduled_for',
                              t."profile.deletion.scheduled_for"::text,
                              'profile.deletion.deleted_at', t."profile.deletion.deleted_at"::text)
    FROM (SELECT user_id, "profile.account.display_name", "profile.account.avatar_url",
          "profile.account.email", "profile.account.phone", "profile.account.email_verified",
          "profile.account.linked_providers", "profile.birth_info.birth_datetime",
          "profile.birth_info.birth_date", "profile.birth_info.birth_time",
          "profile.birth_info.place", "profile.birth_info.latitude", "profile.birth_info.longitude",
          "profile.birth_info.rectification", "profile.birth_info.gender",
          "profile.preferences.language", "profile.preferences.timezone",
          "profile.preferences.notifications_enabled", "profile.preferences.reminder_time",
          "profile.preferences.reminder_days", "profile.preferences.session_minutes",
          "profile.preferences.interests", "profile.preferences.client_settings",
          "profile.deletion.requested_at", "profile.deletion.reason",
          "profile.deletion.scheduled_for", "profile.deletion.deleted_at"
          FROM pgtandem_unified_profiles.image
          WHERE (p_low IS NULL OR user_id >= p_low)
            AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL))) AS i
    FULL JOIN (SELECT user_id,
                      nullif(profile #> '{account,display_name}', 'null')
                          AS "profile.account.display_name",
                      nullif(profile #> '{account,avatar_url}', 'null')
                          AS "profile.account.avatar_url",
                      nullif(profile #> '{account,email}', 'null') AS "profile.account.email",
                      nullif(profile #> '{account,phone}', 'null') AS "profile.account.phone",
                      nullif(profile #> '{account,email_verified}', 'null')
                          AS "profile.account.email_verified",
                      nullif(profile #> '{account,linked_providers}', 'null')
                          AS "profile.account.linked_providers",
                      nullif(profile #> '{birth_info,birth_datetime}', 'null')
                          AS "profile.birth_info.birth_datetime",
                      nullif(profile #> '{birth_info,birth_date}', 'null')
                          AS "profile.birth_info.birth_date",
                      nullif(profile #> '{birth_info,birth_time}', 'null')
                          AS "profile.birth_info.birth_time",
                      nullif(profile #> '{birth_info,place}', 'null') AS "profile.birth_info.place",
                      nullif(profile #> '{birth_info,latitude}', 'null')
                          AS "profile.birth_info.latitude",
                      nullif(profile #> '{birth_info,longitude}', 'null')
                          AS "profile.birth_info.longitude",
                      nullif(profile #> '{birth_info,rectification}', 'null')
                          AS "profile.birth_info.rectification",
                      nullif(profile #> '{birth_info,gender}', 'null')
                          AS "profile.birth_info.gender",
                      nullif(profile #> '{preferences,language}', 'null')
                          AS "profile.preferences.language",
                      nullif(profile #> '{preferences,timezone}', 'null')
                          AS "profile.preferences.timezone",
                      nullif(profile #> '{preferences,notifications_enabled}', 'null')
                          AS "profile.preferences.notifications_enabled",
                      nullif(profile #> '{preferences,reminder_time}', 'null')
                          AS "profile.preferences.reminder_time",
                      nullif(profile #> '{preferences,reminder_days}', 'null')
                          AS "profile.preferences.reminder_days",
                      nullif(profile #> '{preferences,session_minutes}', 'null')
                          AS "profile.preferences.session_minutes",
                      nullif(profile #> '{preferences,interests}', 'null')
                          AS "profile.preferences.interests",
                      nullif(profile #> '{preferences,client_settings}', 'null')
                          AS "profile.preferences.client_settings",
                      nullif(profile #> '{deletion,requested_at}', 'null')
                          AS "profile.deletion.requested_at",
                      nullif(profile #> '{deletion,reason}', 'null') AS "profile.deletion.reason",
                      nullif(profile #> '{deletion,scheduled_for}', 'null')
                          AS "profile.deletion.scheduled_for",
                      nullif(profile #> '{deletion,deleted_at}', 'null')
                          AS "profile.deletion.deleted_at"
               FROM vibelife.unified_profiles
               WHERE (p_low IS NULL OR user_id >= p_low)
                 AND (p_high IS NULL OR user_id < p_high OR (p_low IS NULL AND user_id IS NULL)))
                     AS t
      ON t.user_id = i.user_id;
END;
COMMENT ON FUNCTION pgtandem_unified_profiles.compared(uuid, uuid) IS
    'Every key of image and target in a range of user_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Source: the mapping "unified_profiles".';

CREATE FUNCTION pgtandem_unified_profiles.compared_keys(p_keys jsonb) RETURNS TABLE (
    key       jsonb,
    in_source boolean,
    in_target boolean,
    changed   boolean,
    columns   text[],
    source    jsonb,
    target    jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT k.key,
           i.user_id IS NOT NULL,
           t.user_id IS NOT NULL,
           i.user_id IS NOT NULL AND t.user_id IS NOT NULL
               AND (i."profile.account.display_name"
                    IS DISTINCT FROM t."profile.account.display_name"
                    OR i."profile.account.avatar_url"
                        IS DISTINCT FROM t."profile.account.avatar_url"
                    OR i."profile.account.email" IS DISTINCT FROM t."profile.account.email"
                    OR i."profile.account.phone" IS DISTINCT FROM t."profile.account.phone"
                    OR i."profile.account.email_verified"
                        IS DISTINCT FROM t."profile.account.email_verified"
                    OR i."profile.account.linked_providers"
                        IS DISTINCT FROM t."profile.account.linked_providers"
                    OR (i."profile.birth_info.birth_datetime"
                        IS DISTINCT FROM t."profile.birth_info.birth_datetime"
                        AND NOT pgtandem.same_time(i."profile.birth_info.birth_datetime",
                                                   t."profile.birth_info.birth_datetime"))
                    OR (i."profile.birth_info.birth_date"
                        IS DISTINCT FROM t."profile.birth_info.birth_date"
                        AND NOT pgtandem.same_time(i."profile.birth_info.birth_date",
                                                   t."profile.birth_info.birth_date"))
                    OR (i."profile.birth_info.birth_time"
                        IS DISTINCT FROM t."profile.birth_info.birth_time"
                        AND NOT pgtandem.same_time(i."profile.birth_info.birth_time",
                                                   t."profile.birth_info.birth_time"))
                    OR i."profile.birth_info.place" IS DISTINCT FROM t."profile.birth_info.place"
                    OR i."profile.birth_info.latitude"
                        IS DISTINCT FROM t."profile.birth_info.latitude"
                    OR i."profile.birth_info.longitude"
                        IS DISTINCT FROM t."profile.birth_info.longitude"
                    OR i."profile.birth_info.rectification"
                        IS DISTINCT FROM t."profile.birth_info.rectification"
                    OR i."profile.birth_info.gender" IS DISTINCT FROM t."profile.birth_info.gender"
                    OR i."profile.preferences.language"
                        IS DISTINCT FROM t."profile.preferences.language"
                    OR i."profile.preferences.timezone"
                        IS DISTINCT FROM t."profile.preferences.timezone"
                    OR i."profile.preferences.notifications_enabled"
                        IS DISTINCT FROM t."profile.preferences.notifications_enabled"
                    OR (i."profile.preferences.reminder_time"
                        IS DISTINCT FROM t."profile.preferences.reminder_time"
                        AND NOT pgtandem.same_time(i."profile.preferences.reminder_time",
                                                   t."profile.preferences.reminder_time"))
                    OR i."profile.preferences.reminder_days"
                        IS DISTINCT FROM t."profile.preferences.reminder_days"
                    OR i."profile.preferences.session_minutes"
                        IS DISTINCT FROM t."profile.preferences.session_minutes"
                    OR i."profile.preferences.interests"
                        IS DISTINCT FROM t."profile.preferences.interests"
                    OR i."profile.preferences.client_settings"
                        IS DISTINCT FROM t."profile.preferences.client_settings"
                    OR (i."profile.deletion.requested_at"
                        IS DISTINCT FROM t."profile.deletion.requested_at"
                        AND NOT pgtandem.same_time(i."profile.deletion.requested_at",
                                                   t."profile.deletion.requested_at"))
                    OR i."profile.deletion.reason" IS DISTINCT FROM t."profile.deletion.reason"
                    OR (i."profile.deletion.scheduled_for"
                        IS DISTINCT FROM t."profile.deletion.scheduled_for"
                        AND NOT pgtandem.same_time(i."profile.deletion.scheduled_for",
                                                   t."profile.deletion.scheduled_for"))
                    OR (i."profile.deletion.deleted_at"
                        IS DISTINCT FROM t."profile.deletion.deleted_at"
                        AND NOT pgtandem.same_time(i."profile.deletion.deleted_at",
                                                   t."profile.deletion.deleted_at"))),
           array_remove(ARRAY[CASE WHEN i."profile.account.display_name"
               IS DISTINCT FROM t."profile.account.display_name"
               THEN 'profile.account.display_name' END,
                              CASE WHEN i."profile.account.avatar_url"
                                  IS DISTINCT FROM t."profile.account.avatar_url"
                                  THEN 'profile.account.avatar_url' END,
                              CASE WHEN i."profile.account.email"
                                  IS DISTINCT FROM t."profile.account.email"
                                  THEN 'profile.account.email' END,
                              CASE WHEN i."profile.account.phone"
                                  IS DISTINCT FROM t."profile.account.phone"
                                  THEN 'profile.account.phone' END,
                              CASE WHEN i."profile.account.email_verified"
                                  IS DISTINCT FROM t."profile.account.email_verified"
                                  THEN 'profile.account.email_verified' END,
                              CASE WHEN i."profile.account.linked_providers"
                                  IS DISTINCT FROM t."profile.account.linked_providers"
                                  THEN 'profile.account.linked_providers' END,
                              CASE WHEN (i."profile.birth_info.birth_datetime"
                                  IS DISTINCT FROM t."profile.birth_info.birth_datetime"
                                  AND NOT pgtandem.same_time(i."profile.birth_info.birth_datetime",
                                  t."profile.birth_info.birth_datetime"))
                                  THEN 'profile.birth_info.birth_datetime' END,
                              CASE WHEN (i."profile.birth_info.birth_date"
                                  IS DISTINCT FROM t."profile.birth_info.birth_date"
                                  AND NOT pgtandem.same_time(i."profile.birth_info.birth_date",
                                  t."profile.birth_info.birth_date"))
                                  THEN 'profile.birth_info.birth_date' END,
                              CASE WHEN (i."profile.birth_info.birth_time"
                                  IS DISTINCT FROM t."profile.birth_info.birth_time"
                                  AND NOT pgtandem.same_time(i."profile.birth_info.birth_time",
                                  t."profile.birth_info.birth_time"))
                                  THEN 'profile.birth_info.birth_time' END,
                              CASE WHEN i."profile.birth_info.place"
                                  IS DISTINCT FROM t."profile.birth_info.place"
                                  THEN 'profile.birth_info.place' END,
                              CASE WHEN i."profile.birth_info.latitude"
                                  IS DISTINCT FROM t."profile.birth_info.latitude"
                                  THEN 'profile.birth_info.latitude' END,
                              CASE WHEN i."profile.birth_info.longitude"
                                  IS DISTINCT FROM t."profile.birth_info.longitude"
                                  THEN 'profile.birth_info.longitude' END,
                              CASE WHEN i."profile.birth_info.rectification"
                                  IS DISTINCT FROM t."profile.birth_info.rectification"
                                  THEN 'profile.birth_info.rectification' END,
                              CASE WHEN i."profile.birth_info.gender"
                                  IS DISTINCT FROM t."profile.birth_info.gender"
                                  THEN 'profile.birth_info.gender' END,
                              CASE WHEN i."profile.preferences.language"
                                  IS DISTINCT FROM t."profile.preferences.language"
                                  THEN 'profile.preferences.language' END,
                              CASE WHEN i."profile.preferences.timezone"
                                  IS DISTINCT FROM t."profile.preferences.timezone"
                                  THEN 'profile.preferences.timezone' END,
                              CASE WHEN i."profile.preferences.notifications_enabled"
                                  IS DISTINCT FROM t."profile.preferences.notifications_enabled"
                                  THEN 'profile.preferences.notifications_enabled' END,
                              CASE WHEN (i."profile.preferences.reminder_time"
                                  IS DISTINCT FROM t."profile.preferences.reminder_time"
                                  AND NOT pgtandem.same_time(i."profile.preferences.reminder_time",
                                  t."profile.preferences.reminder_time"))
                                  THEN 'profile.preferences.reminder_time' END,
                              CASE WHEN i."profile.preferences.reminder_days"
                                  IS DISTINCT FROM t."profile.preferences.reminder_days"
                                  THEN 'profile.preferences.reminder_days' END,
                              CASE WHEN i."profile.preferences.session_minutes"
                                  IS DISTINCT FROM t."profile.preferences.session_minutes"
                                  THEN 'profile.preferences.session_minutes' END,
                              CASE WHEN i."profile.preferences.interests"
                                  IS DISTINCT FROM t."profile.preferences.interests"
                                  THEN 'profile.preferences.interests' END,
                              CASE WHEN i."profile.preferences.client_settings"
                                  IS DISTINCT FROM t."profile.preferences.client_settings"
                                  THEN 'profile.preferences.client_settings' END,
                              CASE WHEN (i."profile.deletion.requested_at"
                                  IS DISTINCT FROM t."profile.deletion.requested_at"
                                  AND NOT pgtandem.same_time(i."profile.deletion.requested_at",
                                  t."profile.deletion.requested_at"))
                                  THEN 'profile.deletion.requested_at' END,
                              CASE WHEN i."profile.deletion.reason"
                                  IS DISTINCT FROM t."profile.deletion.reason"
                                  THEN 'profile.deletion.reason' END,
                              CASE WHEN (i."profile.deletion.scheduled_for"
                                  IS DISTINCT FROM t."profile.deletion.scheduled_for"
                                  AND NOT pgtandem.same_time(i."profile.deletion.scheduled_for",
                                  t."profile.deletion.scheduled_for"))
                                  THEN 'profile.deletion.scheduled_for' END,
                              CASE WHEN (i."profile.deletion.deleted_at"
                                  IS DISTINCT FROM t."profile.deletion.deleted_at"
                                  AND NOT pgtandem.same_time(i."profile.deletion.deleted_at",
                                  t."profile.deletion.deleted_at"))
                                  THEN 'profile.deletion.deleted_at' END], NULL),
           jsonb_build_object('user_id', i.user_id::text,
                              'profile.account.display_name',
                              i."profile.account.display_name"::text,
                              'profile.account.avatar_url', i."profile.account.avatar_url"::text,
                              'profile.account.email', i."profile.account.email"::text,
                              'profile.account.phone', i."profile.account.phone"::text,
                              'profile.account.email_verified',
                              i."profile.account.email_verified"::text,
                              'profile.account.linked_providers',
                              i."profile.account.linked_providers"::text,
                              'profile.birth_info.birth_datetime',
                              i."profile.birth_info.birth_datetime"::text,
                              'profile.birth_info.birth_date',
                              i."profile.birth_info.birth_date"::text,
                              'profile.birth_info.birth_time',
                              i."profile.birth_info.birth_time"::text,
                              'profile.birth_info.place', i."profile.birth_info.place"::text,
                              'profile.birth_info.latitude', i."profile.birth_info.latitude"::text,
                              'profile.birth_info.longitude',
                              i."profile.birth_info.longitude"::text,
                              'profile.birth_info.rectification',
                              i."profile.birth_info.rectification"::text,
                              'profile.birth_info.gender', i."profile.birth_info.gender"::text,
                              'profile.preferences.language',
                              i."profile.preferences.language"::text,
                              'profile.preferences.timezone',
                              i."profile.preferences.timezone"::text,
                              'profile.preferences.notifications_enabled',
                              i."profile.preferences.notifications_enabled"::text,
                              'profile.preferences.reminder_time',
                              i."profile.preferences.reminder_time"::text,
                              'profile.preferences.reminder_days',
                              i."profile.preferences.reminder_days"::text,
                              'profile.preferences.session_minutes',
                              i."profile.preferences.session_minutes"::text,
                              'profile.preferences.interests',
                              i."profile.preferences.interests"::text,
                              'profile.preferences.client_settings',
                              i."profile.preferences.client_settings"::text,
                              'profile.deletion.requested_at',
                              i."profile.deletion.requested_at"::text,
                              'profile.deletion.reason', i."profile.deletion.reason"::text,
                              'profile.deletion.scheduled_for',
                              i."profile.deletion.scheduled_for"::text,
                              'profile.deletion.deleted_at', i."profile.deletion.deleted_at"::text),
           jsonb_build_object('user_id', t.user_id::text,
                              'profile.account.display_name',
                              t."profile.account.display_name"::text,
                              'profile.account.avatar_url', t."profile.account.avatar_url"::text,
                              'profile.account.email', t."profile.account.email"::text,
                              'profile.account.phone', t."profile.account.phone"::text,
                              'profile.account.email_verified',
                              t."profile.account.email_verified"::text,
                              'profile.account.linked_providers',
                              t."profile.account.linked_providers"::text,
                              'profile.birth_info.birth_datetime',
                              t."profile.birth_info.birth_datetime"::text,
                              'profile.birth_info.birth_date',
                              t."profile.birth_info.birth_date"::text,
                              'profile.birth_info.birth_time',
                              t."profile.birth_info.birth_time"::text,
                              'profile.birth_info.place', t."profile.birth_info.place"::text,
                              'profile.birth_info.latitude', t."profile.birth_info.latitude"::text,
                              'profile.birth_info.longitude',
                              t."profile.birth_info.longitude"::text,
                              'profile.birth_info.rectification',
                              t."profile.birth_info.rectification"::text,
                              'profile.birth_info.gender', t."profile.birth_info.gender"::text,
                              'profile.preferences.language',
                              t."profile.preferences.language"::text,
                              'profile.preferences.timezone',
                              t."profile.preferences.timezone"::text,
                              'profile.preferences.notifications_enabled',
                              t."profile.preferences.notifications_enabled"::text,
                              'profile.preferences.reminder_time',
                              t."profile.preferences.reminder_time"::text,
                              'profile.preferences.reminder_days',
                              t."profile.preferences.reminder_days"::text,
                              'profile.preferences.session_minutes',
                              t."profile.preferences.session_minutes"::text,
                              'profile.preferences.interests',
                              t."profile.preferences.interests"::text,
                              'profile.preferences.client_settings',
                              t."profile.preferences.client_settings"::text,
                              'profile.deletion.requested_at',
                              t."profile.deletion.requested_at"::text,
                              'profile.deletion.reason', t."profile.deletion.reason"::text,
                              'profile.deletion.scheduled_for',
                              t."profile.deletion.scheduled_for"::text,
                              'profile.deletion.deleted_at', t."profile.deletion.deleted_at"::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    LEFT JOIN pgtandem_unified_profiles.image AS i
      ON i.user_id = (k.key ->> 0)::uuid
    LEFT JOIN (SELECT user_id,
                      nullif(profile #> '{account,display_name}', 'null')
                          AS "profile.account.display_name",
                      nullif(profile #> '{account,avatar_url}', 'null')
                          AS "profile.account.avatar_url",
                      nullif(profile #> '{account,email}', 'null') AS "profile.account.email",
                      nullif(profile #> '{account,phone}', 'null') AS "profile.account.phone",
                      nullif(profile #> '{account,email_verified}', 'null')
                          AS "profile.account.email_verified",
                      nullif(profile #> '{account,linked_providers}', 'null')
                          AS "profile.account.linked_providers",
                      nullif(profile #> '{birth_info,birth_datetime}', 'null')
                          AS "profile.birth_info.birth_datetime",
                      nullif(profile #> '{birth_info,birth_date}', 'null')
                          AS "profile.birth_info.birth_date",
                      nullif(profile #> '{birth_info,birth_time}', 'null')
                          AS "profile.birth_info.birth_time",
                      nullif(profile #> '{birth_info,place}', 'null') AS "profile.birth_info.place",
                      nullif(profile #> '{birth_info,latitude}', 'null')
                          AS "profile.birth_info.latitude",
                      nullif(profile #> '{birth_info,longitude}', 'null')
                          AS "profile.birth_info.longitude",
                      nullif(profile #> '{birth_info,rectification}', 'null')
                          AS "profile.birth_info.rectification",
                      nullif(profile #> '{birth_info,gender}', 'null')
                          AS "profile.birth_info.gender",
                      nullif(profile #> '{preferences,language}', 'null')
                          AS "profile.preferences.language",
                      nullif(profile #> '{preferences,timezone}', 'null')
                          AS "profile.preferences.timezone",
                      nullif(profile #> '{preferences,notifications_enabled}', 'null')
                          AS "profile.preferences.notifications_enabled",
                      nullif(profile #> '{preferences,reminder_time}', 'null')
                          AS "profile.preferences.reminder_time",
                      nullif(profile #> '{preferences,reminder_days}', 'null')
                          AS "profile.preferences.reminder_days",
                      nullif(profile #> '{preferences,session_minutes}', 'null')
                          AS "profile.preferences.session_minutes",
                      nullif(profile #> '{preferences,interests}', 'null')
                          AS "profile.preferences.interests",
                      nullif(profile #> '{preferences,client_settings}', 'null')
                          AS "profile.preferences.client_settings",
                      nullif(profile #> '{deletion,requested_at}', 'null')
                          AS "profile.deletion.requested_at",
                      nullif(profile #> '{deletion,reason}', 'null') AS "profile.deletion.reason",
                      nullif(profile #> '{deletion,scheduled_for}', 'null')
                          AS "profile.deletion.scheduled_for",
                      nullif(profile #> '{deletion,deleted_at}', 'null')
                          AS "profile.deletion.deleted_at"
               FROM vibelife.unified_profiles) AS t
      ON t.user_id = (k.key ->> 0)::uuid;
END;
COMMENT ON FUNCTION pgtandem_unified_profiles.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.measure_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint,
    p_strategy    text
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $copy$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format(CASE p_strategy
        WHEN 'overwrite' THEN $overwrite$
            -- The lock makes the value read the value current at the write.
            WITH image AS MATERIALIZED (
            SELECT source.id AS user_id,
                   to_jsonb(source.display_name) AS "profile.account.display_name",
                   to_jsonb(source.avatar_url) AS "profile.account.avatar_url",
                   to_jsonb(source.email) AS "profile.account.email",
                   to_jsonb(source.phone) AS "profile.account.phone",
                   to_jsonb(source.email_verified) AS "profile.account.email_verified",
                   to_jsonb(source.linked_providers) AS "profile.account.linked_providers",
                   to_jsonb(source.birth_datetime) AS "profile.birth_info.birth_datetime",
                   to_jsonb(source.birth_date) AS "profile.birth_info.birth_date",
                   to_jsonb(source.birth_time) AS "profile.birth_info.birth_time",
                   to_jsonb(source.birth_place) AS "profile.birth_info.place",
                   to_jsonb(source.birth_latitude) AS "profile.birth_info.latitude",
                   to_jsonb(source.birth_longitude) AS "profile.birth_info.longitude",
                   to_jsonb(source.birth_rectification) AS "profile.birth_info.rectification",
                   to_jsonb(source.gender) AS "profile.birth_info.gender",
                   to_jsonb(source.language) AS "profile.preferences.language",
                   to_jsonb(source.timezone) AS "profile.preferences.timezone",
                   to_jsonb(source.notifications_enabled)
                       AS "profile.preferences.notifications_enabled",
                   to_jsonb(source.reminder_time) AS "profile.preferences.reminder_time",
                   to_jsonb(source.reminder_days) AS "profile.preferences.reminder_days",
                   to_jsonb(source.session_minutes) AS "profile.preferences.session_minutes",
                   to_jsonb(source.interests) AS "profile.preferences.interests",
                   nullif(source.client_settings, 'null') AS "profile.preferences.client_settings",
                   pgtandem.json_of(source.deletion_requested_at)
                       AS "profile.deletion.requested_at",
                   to_jsonb(source.deletion_reason) AS "profile.deletion.reason",
                   to_jsonb(source.deletion_scheduled_for) AS "profile.deletion.scheduled_for",
                   pgtandem.json_of(source.deleted_at) AS "profile.deletion.deleted_at"
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
            FOR NO KEY UPDATE OF source)
            INSERT INTO pgtandem_unified_profiles.measured_target AS t
                (user_id, profile)
            OVERRIDING SYSTEM VALUE
            SELECT i.user_id, jsonb_build_object(
                    'account', jsonb_build_object(
                        'display_name', i."profile.account.display_name",
                        'avatar_url', i."profile.account.avatar_url",
                        'email', i."profile.account.email",
                        'phone', i."profile.account.phone",
                        'email_verified', i."profile.account.email_verified",
                        'linked_providers', i."profile.account.linked_providers"
                    ),
                    'birth_info', jsonb_build_object(
                        'birth_datetime', i."profile.birth_info.birth_datetime",
                        'birth_date', i."profile.birth_info.birth_date",
                        'birth_time', i."profile.birth_info.birth_time",
                        'place', i."profile.birth_info.place",
                        'latitude', i."profile.birth_info.latitude",
                        'longitude', i."profile.birth_info.longitude",
                        'rectification', i."profile.birth_info.rectification",
                        'gender', i."profile.birth_info.gender"
                    ),
                    'preferences', jsonb_build_object(
                        'language', i."profile.preferences.language",
                        'timezone', i."profile.preferences.timezone",
                        'notifications_enabled', i."profile.preferences.notifications_enabled",
                        'reminder_time', i."profile.preferences.reminder_time",
                        'reminder_days', i."profile.preferences.reminder_days",
                        'session_minutes', i."profile.preferences.session_minutes",
                        'interests', i."profile.preferences.interests",
                        'client_settings', i."profile.preferences.client_settings"
                    ),
                    'deletion', jsonb_build_object(
                        'requested_at', i."profile.deletion.requested_at",
                        'reason', i."profile.deletion.reason",
                        'scheduled_for', i."profile.deletion.scheduled_for",
                        'deleted_at', i."profile.deletion.deleted_at"
                    )
                )
            FROM image AS i
            ORDER BY i.user_id
            ON CONFLICT (user_id) DO UPDATE
                SET profile = pgtandem.as_object(t.profile, '{profile}') || jsonb_build_object(
                    'account', pgtandem.as_object(t.profile -> 'account',
                                                  '{profile,account}') || jsonb_build_object(
                        'display_name', excluded.profile #> '{account,display_name}',
                        'avatar_url', excluded.profile #> '{account,avatar_url}',
                        'email', excluded.profile #> '{account,email}',
                        'phone', excluded.profile #> '{account,phone}',
                        'email_verified', excluded.profile #> '{account,email_verified}',
                        'linked_providers', excluded.profile #> '{account,linked_providers}'
                    ),
                    'birth_info', pgtandem.as_object(t.profile -> 'birth_info',
                                                     '{profile,birth_info}') || jsonb_build_object(
                        'birth_datetime', excluded.profile #> '{birth_info,birth_datetime}',
                        'birth_date', excluded.profile #> '{birth_info,birth_date}',
                        'birth_time', excluded.profile #> '{birth_info,birth_time}',
                        'place', excluded.profile #> '{birth_info,place}',
                        'latitude', excluded.profile #> '{birth_info,latitude}',
                        'longitude', excluded.profile #> '{birth_info,longitude}',
                        'rectification', excluded.profile #> '{birth_info,rectification}',
                        'gender', excluded.profile #> '{birth_info,gender}'
                    ),
                    'preferences', pgtandem.as_object(t.profile -> 'preferences',
                        '{profile,preferences}') || jsonb_build_object(
                        'language', excluded.profile #> '{preferences,language}',
                        'timezone', excluded.profile #> '{preferences,timezone}',
                        'notifications_enabled',
                            excluded.profile #> '{preferences,notifications_enabled}',
                        'reminder_time', excluded.profile #> '{preferences,reminder_time}',
                        'reminder_days', excluded.profile #> '{preferences,reminder_days}',
                        'session_minutes', excluded.profile #> '{preferences,session_minutes}',
                        'interests', excluded.profile #> '{preferences,interests}',
                        'client_settings', excluded.profile #> '{preferences,client_settings}'
                    ),
                    'deletion', pgtandem.as_object(t.profile -> 'deletion',
                                                   '{profile,deletion}') || jsonb_build_object(
                        'requested_at', excluded.profile #> '{deletion,requested_at}',
                        'reason', excluded.profile #> '{deletion,reason}',
                        'scheduled_for', excluded.profile #> '{deletion,scheduled_for}',
                        'deleted_at', excluded.profile #> '{deletion,deleted_at}'
                    )
                )
                WHERE nullif(t.profile #> '{account,display_name}', 'null')
                    IS DISTINCT FROM nullif(excluded.profile #> '{account,display_name}', 'null')
                   OR nullif(t.profile #> '{account,avatar_url}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{account,avatar_url}', 'null')
                   OR nullif(t.profile #> '{account,email}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{account,email}', 'null')
                   OR nullif(t.profile #> '{account,phone}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{account,phone}', 'null')
                   OR nullif(t.profile #> '{account,email_verified}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{account,email_verified}',
                                               'null')
                   OR nullif(t.profile #> '{account,linked_providers}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{account,linked_providers}',
                                               'null')
                   OR (nullif(t.profile #> '{birth_info,birth_datetime}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{birth_info,birth_datetime}',
                       'null')
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_datetime}',
                                                         'null'),
                       nullif(excluded.profile #> '{birth_info,birth_datetime}', 'null')))
                   OR (nullif(t.profile #> '{birth_info,birth_date}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{birth_info,birth_date}',
                       'null')
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_date}',
                                                         'null'),
                       nullif(excluded.profile #> '{birth_info,birth_date}', 'null')))
                   OR (nullif(t.profile #> '{birth_info,birth_time}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{birth_info,birth_time}',
                       'null')
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_time}',
                                                         'null'),
                       nullif(excluded.profile #> '{birth_info,birth_time}', 'null')))
                   OR nullif(t.profile #> '{birth_info,place}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{birth_info,place}', 'null')
                   OR nullif(t.profile #> '{birth_info,latitude}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{birth_info,latitude}', 'null')
                   OR nullif(t.profile #> '{birth_info,longitude}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{birth_info,longitude}', 'null')
                   OR nullif(t.profile #> '{birth_info,rectification}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{birth_info,rectification}',
                                               'null')
                   OR nullif(t.profile #> '{birth_info,gender}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{birth_info,gender}', 'null')
                   OR nullif(t.profile #> '{preferences,language}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{preferences,language}', 'null')
                   OR nullif(t.profile #> '{preferences,timezone}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{preferences,timezone}', 'null')
                   OR nullif(t.profile #> '{preferences,notifications_enabled}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #>
                                               '{preferences,notifications_enabled}', 'null')
                   OR (nullif(t.profile #> '{preferences,reminder_time}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{preferences,reminder_time}',
                       'null')
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{preferences,reminder_time}',
                                                         'null'),
                       nullif(excluded.profile #> '{preferences,reminder_time}', 'null')))
                   OR nullif(t.profile #> '{preferences,reminder_days}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{preferences,reminder_days}',
                                               'null')
                   OR nullif(t.profile #> '{preferences,session_minutes}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{preferences,session_minutes}',
                                               'null')
                   OR nullif(t.profile #> '{preferences,interests}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{preferences,interests}',
                                               'null')
                   OR nullif(t.profile #> '{preferences,client_settings}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{preferences,client_settings}',
                                               'null')
                   OR (nullif(t.profile #> '{deletion,requested_at}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{deletion,requested_at}',
                       'null')
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,requested_at}',
                                                         'null'),
                       nullif(excluded.profile #> '{deletion,requested_at}', 'null')))
                   OR nullif(t.profile #> '{deletion,reason}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{deletion,reason}', 'null')
                   OR (nullif(t.profile #> '{deletion,scheduled_for}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{deletion,scheduled_for}',
                       'null')
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,scheduled_for}',
                                                         'null'),
                       nullif(excluded.profile #> '{deletion,scheduled_for}', 'null')))
                   OR (nullif(t.profile #> '{deletion,deleted_at}', 'null')
                       IS DISTINCT FROM nullif(excluded.profile #> '{deletion,deleted_at}', 'null')
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,deleted_at}',
                                                         'null'),
                       nullif(excluded.profile #> '{deletion,deleted_at}', 'null')))
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO pgtandem_unified_profiles.measured_target
                (user_id, profile)
            OVERRIDING SYSTEM VALUE
            SELECT source.id,
                   jsonb_build_object(
                    'account', jsonb_build_object(
                        'display_name', source.display_name,
                        'avatar_url', source.avatar_url,
                        'email', source.email,
                        'phone', source.phone,
                        'email_verified', source.email_verified,
                        'linked_providers', source.linked_providers
                    ),
                    'birth_info', jsonb_build_object(
                        'birth_datetime', source.birth_datetime,
                        'birth_date', source.birth_date,
                        'birth_time', source.birth_time,
                        'place', source.birth_place,
                        'latitude', source.birth_latitude,
                        'longitude', source.birth_longitude,
                        'rectification', source.birth_rectification,
                        'gender', source.gender
                    ),
                    'preferences', jsonb_build_object(
                        'language', source.language,
                        'timezone', source.timezone,
                        'notifications_enabled', source.notifications_enabled,
                        'reminder_time', source.reminder_time,
                        'reminder_days', source.reminder_days,
                        'session_minutes', source.session_minutes,
                        'interests', source.interests,
                        'client_settings', source.client_settings
                    ),
                    'deletion', jsonb_build_object(
                        'requested_at', pgtandem.json_of(source.deletion_requested_at),
                        'reason', source.deletion_reason,
                        'scheduled_for', source.deletion_scheduled_for,
                        'deleted_at', pgtandem.json_of(source.deleted_at)
                    )
                )
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
            ORDER BY source.id
        $insert$
        ELSE $skip$
            INSERT INTO pgtandem_unified_profiles.measured_target
                (user_id, profile)
            OVERRIDING SYSTEM VALUE
            SELECT source.id,
                   jsonb_build_object(
                    'account', jsonb_build_object(
                        'display_name', source.display_name,
                        'avatar_url', source.avatar_url,
                        'email', source.email,
                        'phone', source.phone,
                        'email_verified', source.email_verified,
                        'linked_providers', source.linked_providers
                    ),
                    'birth_info', jsonb_build_object(
                        'birth_datetime', source.birth_datetime,
                        'birth_date', source.birth_date,
                        'birth_time', source.birth_time,
                        'place', source.birth_place,
                        'latitude', source.birth_latitude,
                        'longitude', source.birth_longitude,
                        'rectification', source.birth_rectification,
                        'gender', source.gender
                    ),
                    'preferences', jsonb_build_object(
                        'language', source.language,
                        'timezone', source.timezone,
                        'notifications_enabled', source.notifications_enabled,
                        'reminder_time', source.reminder_time,
                        'reminder_days', source.reminder_days,
                        'session_minutes', source.session_minutes,
                        'interests', source.interests,
                        'client_settings', source.client_settings
                    ),
                    'deletion', jsonb_build_object(
                        'requested_at', pgtandem.json_of(source.deletion_requested_at),
                        'reason', source.deletion_reason,
                        'scheduled_for', source.deletion_scheduled_for,
                        'deleted_at', pgtandem.json_of(source.deleted_at)
                    )
                )
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND NOT EXISTS (SELECT FROM pgtandem_unified_profiles.measured_target AS t
                              WHERE t.user_id = source.id)
            ORDER BY source.id
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (user_id) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.measure_chunk(regclass, bigint, bigint,
text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86',
        'vibelife.vibe_users',
        'vibelife.unified_profiles',
        ARRAY['user_id']::text[],
        '{
  "sync": {
    "mode": "record",
    "ways": "both",
    "lock_timeout": "500ms",
    "truncate": "refuse",
    "trigger": "trigger_sync_account_to_profile"
  },
  "backfill": {
    "chunk_time": "200ms",
    "max_lag": "64MB",
    "max_slot": "4GB",
    "undo_limit": "10GB",
    "undo": false
  },
  "gate": {
    "signals": {},
    "sync_failure_percent": {
      "hold": 1.0,
      "roll_back": 5.0
    },
    "differences_per_hour": {
      "hold": 5.0
    },
    "consistency_percent": {
      "roll_back_below": 99.0
    }
  },
  "contract": {
    "columns": [
      "display_name",
      "avatar_url",
      "email",
      "phone",
      "email_verified",
      "linked_providers",
      "birth_datetime",
      "birth_date",
      "birth_time",
      "birth_place",
      "birth_latitude",
      "birth_longitude",
      "birth_rectification",
      "gender",
      "language",
      "timezone",
      "notifications_enabled",
      "reminder_time",
      "reminder_days",
      "session_minutes",
      "interests",
      "client_settings",
      "deletion_requested_at",
      "deletion_reason",
      "deletion_scheduled_for",
      "deleted_at",
      "last_seen_at"
    ],
    "archive": "vibelife_archive",
    "max_age": "1h",
    "max_old_reads": 100,
    "old_roles": [
      "old_app"
    ],
    "generated": {}
  },
  "areas": [
    {
      "area": "account",
      "columns": [
        "profile.account.display_name",
        "profile.account.avatar_url",
        "profile.account.email",
        "profile.account.phone",
        "profile.account.email_verified",
        "profile.account.linked_providers"
      ]
    },
    {
      "area": "birth_info",
      "columns": [
        "profile.birth_info.birth_datetime",
        "profile.birth_info.birth_date",
        "profile.birth_info.birth_time",
        "profile.birth_info.place",
        "profile.birth_info.latitude",
        "profile.birth_info.longitude",
        "profile.birth_info.rectification",
        "profile.birth_info.gender"
      ]
    },
    {
      "area": "preferences",
      "columns": [
        "profile.preferences.language",
        "profile.preferences.timezone",
        "profile.preferences.notifications_enabled",
        "profile.preferences.reminder_time",
        "profile.preferences.reminder_days",
        "profile.preferences.session_minutes",
        "profile.preferences.interests",
        "profile.preferences.client_settings"
      ]
    },
    {
      "area": "deletion_status",
      "columns": [
        "profile.deletion.requested_at",
        "profile.deletion.reason",
        "profile.deletion.scheduled_for",
        "profile.deletion.deleted_at"
      ]
    }
  ]
}',
        '0.1.0'
    );
END;
$do$;

COMMIT;
