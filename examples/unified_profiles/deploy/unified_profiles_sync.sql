-- Deploy unified_profiles:unified_profiles_sync to pg
-- requires: unified_profiles_expand
-- requires: pgtandem:drain
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of vibelife.vibe_users reaches vibelife.unified_profiles, and the other
-- way round. Opens the copy: what was there before is still to be backfilled.
--
-- Locks: both tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers wait,
-- readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users", "vibelife.unified_profiles"}',
                                 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
    PERFORM pgtandem.require_unique('vibelife.unified_profiles', ARRAY['user_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_unified_profiles.image', 'vibelife.vibe_users',
                                  ARRAY['id', 'display_name', 'avatar_url', 'email', 'phone',
                                        'email_verified', 'linked_providers', 'birth_datetime',
                                        'birth_date', 'birth_time', 'birth_place', 'birth_latitude',
                                        'birth_longitude', 'birth_rectification', 'gender',
                                        'language', 'timezone', 'notifications_enabled',
                                        'reminder_time', 'reminder_days', 'session_minutes',
                                        'interests', 'client_settings', 'deletion_requested_at',
                                        'deletion_reason', 'deletion_scheduled_for',
                                        'deleted_at']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_unified_profiles.image',
                                        '{"vibelife.vibe_users"}');
    PERFORM pgtandem.require_immediate('vibelife.unified_profiles');
END;
$do$;

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.copy_is_open() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- What an old snapshot does not see counts as open: a needless entry in the queue harms nobody.
    SELECT NOT EXISTS (SELECT FROM pgtandem.mapping
                       WHERE name = 'unified_profiles' AND copy_state = 'complete');
$$;
COMMENT ON FUNCTION pgtandem_unified_profiles.copy_is_open() IS
    'Whether a chunk may be in flight, so that whatever takes an image away must queue its key.';

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.was_contracted() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- True only for a snapshot that is older than a revert of contract.
    SELECT EXISTS (SELECT FROM pgtandem.mapping WHERE name = 'unified_profiles'
                   AND phase = 'contract');
$$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.was_contracted() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.was_contracted() IS
    'Whether the caller''s snapshot still shows the mapping contracted: it does not see the '
    'source.';

-- One key of the queue: hold the target's row, then read the image in a statement of its own. Never
-- the other way round: a re-insert of the key would be lost.
CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 vibelife.unified_profiles.user_id%TYPE := (p_key ->> 0)::uuid;
    v_result text;
BEGIN
    FOR v_try IN 1..20 LOOP
        PERFORM FROM vibelife.unified_profiles AS t
        WHERE t.user_id = v_key1
        FOR UPDATE;
        IF FOUND THEN
            UPDATE vibelife.unified_profiles AS t
            SET profile = pgtandem.as_object(t.profile, '{profile}') || jsonb_build_object(
                    'account', pgtandem.as_object(t.profile -> 'account',
                                                  '{profile,account}') || jsonb_build_object(
                        'display_name', i."profile.account.display_name",
                        'avatar_url', i."profile.account.avatar_url",
                        'email', i."profile.account.email",
                        'phone', i."profile.account.phone",
                        'email_verified', i."profile.account.email_verified",
                        'linked_providers', i."profile.account.linked_providers"
                    ),
                    'birth_info', pgtandem.as_object(t.profile -> 'birth_info',
                                                     '{profile,birth_info}') || jsonb_build_object(
                        'birth_datetime', i."profile.birth_info.birth_datetime",
                        'birth_date', i."profile.birth_info.birth_date",
                        'birth_time', i."profile.birth_info.birth_time",
                        'place', i."profile.birth_info.place",
                        'latitude', i."profile.birth_info.latitude",
                        'longitude', i."profile.birth_info.longitude",
                        'rectification', i."profile.birth_info.rectification",
                        'gender', i."profile.birth_info.gender"
                    ),
                    'preferences', pgtandem.as_object(t.profile -> 'preferences',
                        '{profile,preferences}') || jsonb_build_object(
                        'language', i."profile.preferences.language",
                        'timezone', i."profile.preferences.timezone",
                        'notifications_enabled', i."profile.preferences.notifications_enabled",
                        'reminder_time', i."profile.preferences.reminder_time",
                        'reminder_days', i."profile.preferences.reminder_days",
                        'session_minutes', i."profile.preferences.session_minutes",
                        'interests', i."profile.preferences.interests",
                        'client_settings', i."profile.preferences.client_settings"
                    ),
                    'deletion', pgtandem.as_object(t.profile -> 'deletion',
                                                   '{profile,deletion}') || jsonb_build_object(
                        'requested_at', i."profile.deletion.requested_at",
                        'reason', i."profile.deletion.reason",
                        'scheduled_for', i."profile.deletion.scheduled_for",
                        'deleted_at', i."profile.deletion.deleted_at"
                    )
                )
            FROM pgtandem_unified_profiles.image AS i
            WHERE t.user_id = v_key1 AND i.user_id = v_key1
              AND (nullif(t.profile #> '{account,display_name}', 'null')
                   IS DISTINCT FROM i."profile.account.display_name"
                   OR nullif(t.profile #> '{account,avatar_url}', 'null')
                       IS DISTINCT FROM i."profile.account.avatar_url"
                   OR nullif(t.profile #> '{account,email}', 'null')
                       IS DISTINCT FROM i."profile.account.email"
                   OR nullif(t.profile #> '{account,phone}', 'null')
                       IS DISTINCT FROM i."profile.account.phone"
                   OR nullif(t.profile #> '{account,email_verified}', 'null')
                       IS DISTINCT FROM i."profile.account.email_verified"
                   OR nullif(t.profile #> '{account,linked_providers}', 'null')
                       IS DISTINCT FROM i."profile.account.linked_providers"
                   OR (nullif(t.profile #> '{birth_info,birth_datetime}', 'null')
                       IS DISTINCT FROM i."profile.birth_info.birth_datetime"
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_datetime}',
                                                         'null'),
                                                         i."profile.birth_info.birth_datetime"))
                   OR (nullif(t.profile #> '{birth_info,birth_date}', 'null')
                       IS DISTINCT FROM i."profile.birth_info.birth_date"
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_date}',
                                                         'null'),
                                                         i."profile.birth_info.birth_date"))
                   OR (nullif(t.profile #> '{birth_info,birth_time}', 'null')
                       IS DISTINCT FROM i."profile.birth_info.birth_time"
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_time}',
                                                         'null'),
                                                         i."profile.birth_info.birth_time"))
                   OR nullif(t.profile #> '{birth_info,place}', 'null')
                       IS DISTINCT FROM i."profile.birth_info.place"
                   OR nullif(t.profile #> '{birth_info,latitude}', 'null')
                       IS DISTINCT FROM i."profile.birth_info.latitude"
                   OR nullif(t.profile #> '{birth_info,longitude}', 'null')
                       IS DISTINCT FROM i."profile.birth_info.longitude"
                   OR nullif(t.profile #> '{birth_info,rectification}', 'null')
                       IS DISTINCT FROM i."profile.birth_info.rectification"
                   OR nullif(t.profile #> '{birth_info,gender}', 'null')
                       IS DISTINCT FROM i."profile.birth_info.gender"
                   OR nullif(t.profile #> '{preferences,language}', 'null')
                       IS DISTINCT FROM i."profile.preferences.language"
                   OR nullif(t.profile #> '{preferences,timezone}', 'null')
                       IS DISTINCT FROM i."profile.preferences.timezone"
                   OR nullif(t.profile #> '{preferences,notifications_enabled}', 'null')
                       IS DISTINCT FROM i."profile.preferences.notifications_enabled"
                   OR (nullif(t.profile #> '{preferences,reminder_time}', 'null')
                       IS DISTINCT FROM i."profile.preferences.reminder_time"
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{preferences,reminder_time}',
                                                         'null'),
                                                         i."profile.preferences.reminder_time"))
                   OR nullif(t.profile #> '{preferences,reminder_days}', 'null')
                       IS DISTINCT FROM i."profile.preferences.reminder_days"
                   OR nullif(t.profile #> '{preferences,session_minutes}', 'null')
                       IS DISTINCT FROM i."profile.preferences.session_minutes"
                   OR nullif(t.profile #> '{preferences,interests}', 'null')
                       IS DISTINCT FROM i."profile.preferences.interests"
                   OR nullif(t.profile #> '{preferences,client_settings}', 'null')
                       IS DISTINCT FROM i."profile.preferences.client_settings"
                   OR (nullif(t.profile #> '{deletion,requested_at}', 'null')
                       IS DISTINCT FROM i."profile.deletion.requested_at"
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,requested_at}',
                                                         'null'),
                                                         i."profile.deletion.requested_at"))
                   OR nullif(t.profile #> '{deletion,reason}', 'null')
                       IS DISTINCT FROM i."profile.deletion.reason"
                   OR (nullif(t.profile #> '{deletion,scheduled_for}', 'null')
                       IS DISTINCT FROM i."profile.deletion.scheduled_for"
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,scheduled_for}',
                                                         'null'),
                                                         i."profile.deletion.scheduled_for"))
                   OR (nullif(t.profile #> '{deletion,deleted_at}', 'null')
                       IS DISTINCT FROM i."profile.deletion.deleted_at"
                       AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,deleted_at}',
                                                         'null'),
                                                         i."profile.deletion.deleted_at")));
            IF FOUND THEN
                v_result := 'updated';
                EXIT;
            END IF;
            DELETE FROM vibelife.unified_profiles AS t
            WHERE t.user_id = v_key1
              AND NOT EXISTS (SELECT FROM pgtandem_unified_profiles.image AS i
                              WHERE i.user_id = v_key1);
            RETURN CASE WHEN FOUND THEN 'deleted' ELSE 'equal' END;
        END IF;
        INSERT INTO vibelife.unified_profiles AS t
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
        FROM pgtandem_unified_profiles.image AS i
        WHERE i.user_id = v_key1
        ON CONFLICT (user_id) DO NOTHING;
        IF FOUND THEN
            v_result := 'inserted';
            EXIT;
        END IF;
        PERFORM FROM pgtandem_unified_profiles.image AS i WHERE i.user_id = v_key1;
        IF NOT FOUND THEN
            RETURN 'equal';
        END IF;
        -- Somebody inserted the row between our two statements: hold it, and look again.
    END LOOP;
    IF v_result IS NULL OR EXISTS (
           SELECT FROM vibelife.unified_profiles AS t, pgtandem_unified_profiles.image AS i
           WHERE t.user_id = v_key1 AND i.user_id = v_key1
             AND (nullif(t.profile #> '{account,display_name}', 'null')
                  IS DISTINCT FROM i."profile.account.display_name"
                  OR nullif(t.profile #> '{account,avatar_url}', 'null')
                      IS DISTINCT FROM i."profile.account.avatar_url"
                  OR nullif(t.profile #> '{account,email}', 'null')
                      IS DISTINCT FROM i."profile.account.email"
                  OR nullif(t.profile #> '{account,phone}', 'null')
                      IS DISTINCT FROM i."profile.account.phone"
                  OR nullif(t.profile #> '{account,email_verified}', 'null')
                      IS DISTINCT FROM i."profile.account.email_verified"
                  OR nullif(t.profile #> '{account,linked_providers}', 'null')
                      IS DISTINCT FROM i."profile.account.linked_providers"
                  OR (nullif(t.profile #> '{birth_info,birth_datetime}', 'null')
                      IS DISTINCT FROM i."profile.birth_info.birth_datetime"
                      AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_datetime}',
                                                        'null'),
                                                        i."profile.birth_info.birth_datetime"))
                  OR (nullif(t.profile #> '{birth_info,birth_date}', 'null')
                      IS DISTINCT FROM i."profile.birth_info.birth_date"
                      AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_date}',
                                                        'null'), i."profile.birth_info.birth_date"))
                  OR (nullif(t.profile #> '{birth_info,birth_time}', 'null')
                      IS DISTINCT FROM i."profile.birth_info.birth_time"
                      AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_time}',
                                                        'null'), i."profile.birth_info.birth_time"))
                  OR nullif(t.profile #> '{birth_info,place}', 'null')
                      IS DISTINCT FROM i."profile.birth_info.place"
                  OR nullif(t.profile #> '{birth_info,latitude}', 'null')
                      IS DISTINCT FROM i."profile.birth_info.latitude"
                  OR nullif(t.profile #> '{birth_info,longitude}', 'null')
                      IS DISTINCT FROM i."profile.birth_info.longitude"
                  OR nullif(t.profile #> '{birth_info,rectification}', 'null')
                      IS DISTINCT FROM i."profile.birth_info.rectification"
                  OR nullif(t.profile #> '{birth_info,gender}', 'null')
                      IS DISTINCT FROM i."profile.birth_info.gender"
                  OR nullif(t.profile #> '{preferences,language}', 'null')
                      IS DISTINCT FROM i."profile.preferences.language"
                  OR nullif(t.profile #> '{preferences,timezone}', 'null')
                      IS DISTINCT FROM i."profile.preferences.timezone"
                  OR nullif(t.profile #> '{preferences,notifications_enabled}', 'null')
                      IS DISTINCT FROM i."profile.preferences.notifications_enabled"
                  OR (nullif(t.profile #> '{preferences,reminder_time}', 'null')
                      IS DISTINCT FROM i."profile.preferences.reminder_time"
                      AND NOT pgtandem.same_time(nullif(t.profile #> '{preferences,reminder_time}',
                                                        'null'),
                                                        i."profile.preferences.reminder_time"))
                  OR nullif(t.profile #> '{preferences,reminder_days}', 'null')
                      IS DISTINCT FROM i."profile.preferences.reminder_days"
                  OR nullif(t.profile #> '{preferences,session_minutes}', 'null')
                      IS DISTINCT FROM i."profile.preferences.session_minutes"
                  OR nullif(t.profile #> '{preferences,interests}', 'null')
                      IS DISTINCT FROM i."profile.preferences.interests"
                  OR nullif(t.profile #> '{preferences,client_settings}', 'null')
                      IS DISTINCT FROM i."profile.preferences.client_settings"
                  OR (nullif(t.profile #> '{deletion,requested_at}', 'null')
                      IS DISTINCT FROM i."profile.deletion.requested_at"
                      AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,requested_at}',
                                                        'null'), i."profile.deletion.requested_at"))
                  OR nullif(t.profile #> '{deletion,reason}', 'null')
                      IS DISTINCT FROM i."profile.deletion.reason"
                  OR (nullif(t.profile #> '{deletion,scheduled_for}', 'null')
                      IS DISTINCT FROM i."profile.deletion.scheduled_for"
                      AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,scheduled_for}',
                                                        'null'),
                                                        i."profile.deletion.scheduled_for"))
                  OR (nullif(t.profile #> '{deletion,deleted_at}', 'null')
                      IS DISTINCT FROM i."profile.deletion.deleted_at"
                      AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,deleted_at}',
                                                        'null'),
                                                        i."profile.deletion.deleted_at")))) THEN
        RAISE EXCEPTION 'the target % does not keep the image of key %',
            'vibelife.unified_profiles', p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the target really stores.';
    END IF;
    RETURN v_result;
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.settle(jsonb) IS
    'Makes the target hold the image of one key: inserted, updated, deleted or equal. TD010. '
    'Called by pgtandem._settle, which marks the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.chunk_keys(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $chunk_keys$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT jsonb_build_array(source.id)
        FROM ONLY %s AS source
        WHERE source.ctid >= $1 AND source.ctid < $2
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_unified_profiles.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.queue_extra() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $queue_extra$
    INSERT INTO pgtandem.recheck (mapping, key, reason)
    SELECT 'unified_profiles', jsonb_build_array(t.user_id), 'gone'
    FROM vibelife.unified_profiles AS t
    WHERE NOT EXISTS (SELECT FROM pgtandem_unified_profiles.image AS i
                      WHERE i.user_id = t.user_id);
$queue_extra$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.queue_extra() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.queue_extra() IS
    'Queues the keys of the target that have no image. Called by pgtandem._sweep, once a copy over '
    'a target that had rows.';

-- Rows go in sorted by the key of the target, whose index then grows in order.
CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.copy_chunk(
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
            INSERT INTO vibelife.unified_profiles AS t
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
            INSERT INTO vibelife.unified_profiles
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
            INSERT INTO vibelife.unified_profiles
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
              AND NOT EXISTS (SELECT FROM vibelife.unified_profiles AS t
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
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.copy_chunk(regclass, bigint, bigint,
                                                            text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.copy_chunk(regclass, bigint, bigint, text) IS
    'Copies a range of blocks; returns the rows written. Strategies: insert (none is there), skip '
    '(those there are right), ignore (likewise, with writers at work), overwrite (lock and '
    'replace). Called by pgtandem._copy_chunk, which marks the write as ours.';

-- A write of the source: bring its image to the target.
CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.sync_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $forward$
#variable_conflict use_column
DECLARE
    v_old      ALIAS FOR old;
    v_new      ALIAS FOR new;
    v_depth    text;
    v_set      text;
    v_kept     boolean;
    v_image    jsonb;
    v_whole    boolean := TG_OP <> 'UPDATE' OR TG_NARGS > 0;  -- or moved to another block
    v_was      boolean;  -- in the filter, NULL where there is none
    v_found    boolean;
    v_sqlstate text;
    v_message  text;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.id IS DISTINCT FROM NEW.id
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
                                 OR OLD.notifications_enabled
                                     IS DISTINCT FROM NEW.notifications_enabled
                                 OR OLD.reminder_time IS DISTINCT FROM NEW.reminder_time
                                 OR OLD.reminder_days IS DISTINCT FROM NEW.reminder_days
                                 OR OLD.session_minutes IS DISTINCT FROM NEW.session_minutes
                                 OR OLD.interests IS DISTINCT FROM NEW.interests
                                 OR OLD.client_settings IS DISTINCT FROM NEW.client_settings
                                 OR OLD.deletion_requested_at
                                     IS DISTINCT FROM NEW.deletion_requested_at
                                 OR OLD.deletion_reason IS DISTINCT FROM NEW.deletion_reason
                                 OR OLD.deletion_scheduled_for
                                     IS DISTINCT FROM NEW.deletion_scheduled_for
                                 OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) THEN
        -- Nothing that is mapped. The trigger trigger_sync_account_to_profile_moved is for rows
        -- that change block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        -- trigger_sync_account_to_profile_update brings it over; but what the way back wrote is
        -- brought by nobody, and a copy that overwrites has to see it where it is now.
        IF current_setting('pgtandem_unified_profiles.depth', true) = (pg_trigger_depth() - 1)::text
           AND (v_old.ctid::text::point)[0] <> (v_new.ctid::text::point)[0] THEN
            PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(v_new.id), 'copy');
        END IF;
        IF coalesce(current_setting('pgtandem_unified_profiles.state', true), '') = '' THEN
            -- This one fires first, and only while the copy is open: what is written is written
            -- whole.
            PERFORM set_config('pgtandem_unified_profiles.state', 'open', true);
        END IF;
        RETURN NULL;
    END IF;

    -- One look for what is rare: PL/pgSQL pays for each expression anew in each transaction.
    IF current_setting('pgtandem_unified_profiles.state', true) <> '' OR pg_trigger_depth() > 1 THEN
        v_whole := true;
        IF current_setting('pgtandem_unified_profiles.state', true) = 'queue' THEN
            -- This transaction has waited for the target once; it does not wait again.
            PERFORM pgtandem._sync_failed('unified_profiles',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old.id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new.id) END,
                '55P03', 'queued: an earlier write of the transaction had to give way');
            RETURN NULL;
        END IF;
        -- Triggers of the application that write this table again run between the rows of a
        -- statement. Where that has happened, NEW may be older than the row: read the row.
        IF current_setting('pgtandem_unified_profiles.state',
                           true) = 'nested' AND TG_OP <> 'DELETE' THEN
            SELECT s.id, s.display_name, s.avatar_url, s.email, s.phone, s.email_verified,
                s.linked_providers, s.birth_datetime, s.birth_date, s.birth_time, s.birth_place,
                s.birth_latitude, s.birth_longitude, s.birth_rectification, s.gender, s.language,
                s.timezone, s.notifications_enabled, s.reminder_time, s.reminder_days,
                s.session_minutes, s.interests, s.client_settings, s.deletion_requested_at,
                s.deletion_reason, s.deletion_scheduled_for, s.deleted_at
            INTO v_new.id, v_new.display_name, v_new.avatar_url, v_new.email, v_new.phone,
                v_new.email_verified, v_new.linked_providers, v_new.birth_datetime,
                v_new.birth_date, v_new.birth_time, v_new.birth_place, v_new.birth_latitude,
                v_new.birth_longitude, v_new.birth_rectification, v_new.gender, v_new.language,
                v_new.timezone, v_new.notifications_enabled, v_new.reminder_time,
                v_new.reminder_days, v_new.session_minutes, v_new.interests, v_new.client_settings,
                v_new.deletion_requested_at, v_new.deletion_reason, v_new.deletion_scheduled_for,
                v_new.deleted_at
            FROM vibelife.vibe_users AS s
            WHERE s.id = v_new.id;
            IF NOT FOUND THEN
                IF TG_OP = 'UPDATE' THEN
                    -- What took it from its new key did not know of its old one.
                    PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(v_old.id), 'gone');
                END IF;
                RETURN NULL;
            END IF;
        ELSIF pg_trigger_depth() > 1 THEN
            PERFORM set_config('pgtandem_unified_profiles.state', 'nested', true);
        END IF;
    END IF;

    BEGIN
        -- An assignment, not PERFORM: it needs no executor of its own.
        v_depth := current_setting('pgtandem_unified_profiles.depth', true);
        v_set := set_config('pgtandem_unified_profiles.depth', pg_trigger_depth()::text, true);
        IF TG_OP = 'DELETE' THEN
            DELETE FROM vibelife.unified_profiles AS t
            WHERE t.user_id = v_old.id
              AND NOT EXISTS (SELECT FROM pgtandem_unified_profiles.image AS i
                              WHERE i.user_id = v_old.id);
            IF v_was IS NOT false AND (NOT FOUND OR pgtandem_unified_profiles.copy_is_open()
                          OR EXISTS (SELECT FROM pgtandem_unified_profiles.image AS i
                                     WHERE i.user_id = v_old.id))
               AND NOT pgtandem._cascades('vibelife.unified_profiles', ARRAY['user_id']::text[],
                                          'vibelife.vibe_users', ARRAY['id']::text[]) THEN
                -- A chunk in flight may still put it back, or, where the source has no unique key,
                -- another row have taken its place just now.
                PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(v_old.id), 'gone');
            END IF;
        ELSE
            IF TG_OP = 'UPDATE' AND (v_old.id IS DISTINCT FROM v_new.id) THEN
                v_whole := true;
                -- Keep what the new application owns of the row, unless the new key is taken.
                UPDATE vibelife.unified_profiles AS t
                SET user_id = v_new.id
                WHERE t.user_id = v_old.id
                  AND NOT EXISTS (SELECT FROM vibelife.unified_profiles AS o
                                  WHERE o.user_id = v_new.id)
                  AND NOT EXISTS (SELECT FROM pgtandem_unified_profiles.image AS i
                                  WHERE i.user_id = v_old.id);
                v_found := FOUND;
                IF NOT v_found THEN
                    DELETE FROM vibelife.unified_profiles AS t
                    WHERE t.user_id = v_old.id
                      AND NOT EXISTS (SELECT FROM pgtandem_unified_profiles.image AS i
                                      WHERE i.user_id = v_old.id);
                    v_found := FOUND;
                END IF;
                IF v_was IS NOT false AND (NOT v_found OR pgtandem_unified_profiles.copy_is_open()
                              OR EXISTS (SELECT FROM pgtandem_unified_profiles.image AS i
                                         WHERE i.user_id = v_old.id)) THEN
                    PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(v_old.id), 'gone');
                    PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(v_new.id), 'gone');
                END IF;
            END IF;
            IF NOT v_whole THEN
                -- A copied row that is updated needs no more than what changed.
                v_image := CASE WHEN OLD.display_name IS DISTINCT FROM NEW.display_name
                         OR OLD.avatar_url IS DISTINCT FROM NEW.avatar_url
                         OR OLD.email IS DISTINCT FROM NEW.email
                         OR OLD.phone IS DISTINCT FROM NEW.phone
                         OR OLD.email_verified IS DISTINCT FROM NEW.email_verified
                         OR OLD.linked_providers IS DISTINCT FROM NEW.linked_providers
                       THEN jsonb_build_object(
                            'account', jsonb_build_object(
                                'display_name', v_new.display_name,
                                'avatar_url', v_new.avatar_url,
                                'email', v_new.email,
                                'phone', v_new.phone,
                                'email_verified', v_new.email_verified,
                                'linked_providers', v_new.linked_providers
                            )
                        )
                       ELSE '{}' END
                    || CASE WHEN OLD.birth_datetime IS DISTINCT FROM NEW.birth_datetime
                         OR OLD.birth_date IS DISTINCT FROM NEW.birth_date
                         OR OLD.birth_time IS DISTINCT FROM NEW.birth_time
                         OR OLD.birth_place IS DISTINCT FROM NEW.birth_place
                         OR OLD.birth_latitude IS DISTINCT FROM NEW.birth_latitude
                         OR OLD.birth_longitude IS DISTINCT FROM NEW.birth_longitude
                         OR OLD.birth_rectification IS DISTINCT FROM NEW.birth_rectification
                         OR OLD.gender IS DISTINCT FROM NEW.gender
                       THEN jsonb_build_object(
                            'birth_info', jsonb_build_object(
                                'birth_datetime', v_new.birth_datetime,
                                'birth_date', v_new.birth_date,
                                'birth_time', v_new.birth_time,
                                'place', v_new.birth_place,
                                'latitude', v_new.birth_latitude,
                                'longitude', v_new.birth_longitude,
                                'rectification', v_new.birth_rectification,
                                'gender', v_new.gender
                            )
                        )
                       ELSE '{}' END
                    || CASE WHEN OLD.language IS DISTINCT FROM NEW.language
                         OR OLD.timezone IS DISTINCT FROM NEW.timezone
                         OR OLD.notifications_enabled IS DISTINCT FROM NEW.notifications_enabled
                         OR OLD.reminder_time IS DISTINCT FROM NEW.reminder_time
                         OR OLD.reminder_days IS DISTINCT FROM NEW.reminder_days
                         OR OLD.session_minutes IS DISTINCT FROM NEW.session_minutes
                         OR OLD.interests IS DISTINCT FROM NEW.interests
                         OR OLD.client_settings IS DISTINCT FROM NEW.client_settings
                       THEN jsonb_build_object(
                            'preferences', jsonb_build_object(
                                'language', v_new.language,
                                'timezone', v_new.timezone,
                                'notifications_enabled', v_new.notifications_enabled,
                                'reminder_time', v_new.reminder_time,
                                'reminder_days', v_new.reminder_days,
                                'session_minutes', v_new.session_minutes,
                                'interests', v_new.interests,
                                'client_settings', v_new.client_settings
                            )
                        )
                       ELSE '{}' END
                    || CASE WHEN OLD.deletion_requested_at
                        IS DISTINCT FROM NEW.deletion_requested_at
                         OR OLD.deletion_reason IS DISTINCT FROM NEW.deletion_reason
                         OR OLD.deletion_scheduled_for IS DISTINCT FROM NEW.deletion_scheduled_for
                         OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at
                       THEN jsonb_build_object(
                            'deletion', jsonb_build_object(
                                'requested_at', pgtandem.json_of(v_new.deletion_requested_at),
                                'reason', v_new.deletion_reason,
                                'scheduled_for', v_new.deletion_scheduled_for,
                                'deleted_at', pgtandem.json_of(v_new.deleted_at)
                            )
                        )
                       ELSE '{}' END;
                UPDATE vibelife.unified_profiles AS t
                SET profile = pgtandem.as_object(t.profile, '{profile}') || (
                        CASE WHEN v_image ? 'account' THEN jsonb_build_object('account',
                            pgtandem.as_object(t.profile -> 'account', '{profile,account}')
                            || (v_image -> 'account'))
                        ELSE '{}' END
                     || CASE WHEN v_image ? 'birth_info' THEN jsonb_build_object('birth_info',
                            pgtandem.as_object(t.profile -> 'birth_info', '{profile,birth_info}')
                            || (v_image -> 'birth_info'))
                        ELSE '{}' END
                     || CASE WHEN v_image ? 'preferences' THEN jsonb_build_object('preferences',
                            pgtandem.as_object(t.profile -> 'preferences', '{profile,preferences}')
                            || (v_image -> 'preferences'))
                        ELSE '{}' END
                     || CASE WHEN v_image ? 'deletion' THEN jsonb_build_object('deletion',
                            pgtandem.as_object(t.profile -> 'deletion', '{profile,deletion}')
                            || (v_image -> 'deletion'))
                        ELSE '{}' END)
                WHERE t.user_id = v_new.id
                RETURNING t.user_id IS NOT DISTINCT FROM v_new.id
                      AND (t.profile #> '{account,linked_providers}' = v_image #>
                           '{account,linked_providers}') IS NOT false
                      AND (t.profile #> '{preferences,reminder_days}' = v_image #>
                           '{preferences,reminder_days}') IS NOT false
                      AND (t.profile #> '{preferences,interests}' = v_image #>
                           '{preferences,interests}') IS NOT false
                      AND (t.profile #> '{preferences,client_settings}' = v_image #>
                           '{preferences,client_settings}') IS NOT false
                      AND t.profile @> v_image
                INTO v_kept;
                v_whole := NOT FOUND;
            END IF;
            IF v_whole THEN
                v_image := jsonb_build_object(
                    'account', jsonb_build_object(
                        'display_name', v_new.display_name,
                        'avatar_url', v_new.avatar_url,
                        'email', v_new.email,
                        'phone', v_new.phone,
                        'email_verified', v_new.email_verified,
                        'linked_providers', v_new.linked_providers
                    ),
                    'birth_info', jsonb_build_object(
                        'birth_datetime', v_new.birth_datetime,
                        'birth_date', v_new.birth_date,
                        'birth_time', v_new.birth_time,
                        'place', v_new.birth_place,
                        'latitude', v_new.birth_latitude,
                        'longitude', v_new.birth_longitude,
                        'rectification', v_new.birth_rectification,
                        'gender', v_new.gender
                    ),
                    'preferences', jsonb_build_object(
                        'language', v_new.language,
                        'timezone', v_new.timezone,
                        'notifications_enabled', v_new.notifications_enabled,
                        'reminder_time', v_new.reminder_time,
                        'reminder_days', v_new.reminder_days,
                        'session_minutes', v_new.session_minutes,
                        'interests', v_new.interests,
                        'client_settings', v_new.client_settings
                    ),
                    'deletion', jsonb_build_object(
                        'requested_at', pgtandem.json_of(v_new.deletion_requested_at),
                        'reason', v_new.deletion_reason,
                        'scheduled_for', v_new.deletion_scheduled_for,
                        'deleted_at', pgtandem.json_of(v_new.deleted_at)
                    )
                );
                INSERT INTO vibelife.unified_profiles AS t
                    (user_id, profile)
                OVERRIDING SYSTEM VALUE
                VALUES (v_new.id,
                        v_image)
                ON CONFLICT (user_id) DO UPDATE
                    SET profile = pgtandem.as_object(t.profile, '{profile}') || (
                                CASE WHEN v_image ? 'account' THEN jsonb_build_object('account',
                                    pgtandem.as_object(t.profile -> 'account', '{profile,account}')
                                    || (v_image -> 'account'))
                                ELSE '{}' END
                             || CASE WHEN v_image ? 'birth_info'
                                 THEN jsonb_build_object('birth_info',
                                    pgtandem.as_object(t.profile -> 'birth_info',
                                                       '{profile,birth_info}')
                                    || (v_image -> 'birth_info'))
                                ELSE '{}' END
                             || CASE WHEN v_image ? 'preferences'
                                 THEN jsonb_build_object('preferences',
                                    pgtandem.as_object(t.profile -> 'preferences',
                                                       '{profile,preferences}')
                                    || (v_image -> 'preferences'))
                                ELSE '{}' END
                             || CASE WHEN v_image ? 'deletion' THEN jsonb_build_object('deletion',
                                    pgtandem.as_object(t.profile -> 'deletion',
                                                       '{profile,deletion}')
                                    || (v_image -> 'deletion'))
                                ELSE '{}' END)
                RETURNING t.user_id IS NOT DISTINCT FROM v_new.id
                      AND (t.profile #> '{account,linked_providers}' = v_image #>
                           '{account,linked_providers}') IS NOT false
                      AND (t.profile #> '{preferences,reminder_days}' = v_image #>
                           '{preferences,reminder_days}') IS NOT false
                      AND (t.profile #> '{preferences,interests}' = v_image #>
                           '{preferences,interests}') IS NOT false
                      AND (t.profile #> '{preferences,client_settings}' = v_image #>
                           '{preferences,client_settings}') IS NOT false
                      AND t.profile @> v_image
                INTO v_kept;
            END IF;
            IF NOT v_kept THEN
                RAISE EXCEPTION 'the target % did not keep the image of key %',
                    'vibelife.unified_profiles',
                    jsonb_build_array(v_new.id)
                    USING ERRCODE = 'TD010',
                          DETAIL = 'A trigger of the target, or the type of a column, changed a '
                                   'value.',
                          HINT = 'Let the mapping say what the target really stores.';
            END IF;
        END IF;
        v_set := set_config('pgtandem_unified_profiles.depth', v_depth, true);
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            IF v_sqlstate IN ('55P03', '40P01') THEN
                PERFORM set_config('pgtandem_unified_profiles.state', 'queue', true);
            END IF;
            PERFORM pgtandem._sync_failed('unified_profiles',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old.id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new.id) END,
                v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.sync_forward() IS
    'Trigger on vibelife.vibe_users: brings the image of each written row to '
    'vibelife.unified_profiles. Never fails the write: after 500ms, or on any error, the key goes '
    'to pgtandem.recheck.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.vibe_users', 'pgtandem_unified_profiles',
                                          ARRAY['trigger_sync_account_to_profile_write',
                                                'trigger_sync_account_to_profile_update',
                                                'trigger_sync_account_to_profile_moved',
                                              'trigger_sync_account_to_profile_truncate']::text[]);
END;
$do$;
-- PostgreSQL reads a WHEN clause anew for every statement that updates the table, and a list of
-- columns takes it longer than a call of the function: the function looks at the columns itself.
CREATE OR REPLACE TRIGGER trigger_sync_account_to_profile_write
    AFTER INSERT OR DELETE ON vibelife.vibe_users
    FOR EACH ROW
    WHEN (current_setting('pgtandem_unified_profiles.depth',
                          true) IS DISTINCT FROM pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_unified_profiles.sync_forward();
CREATE OR REPLACE TRIGGER trigger_sync_account_to_profile_update
    AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW
    WHEN (current_setting('pgtandem_unified_profiles.depth',
                          true) IS DISTINCT FROM pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_unified_profiles.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. unified_profiles_backfill disables this
-- one.
CREATE OR REPLACE TRIGGER trigger_sync_account_to_profile_moved
    AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_unified_profiles.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE vibelife.vibe_users
    ENABLE ALWAYS TRIGGER trigger_sync_account_to_profile_write,
    ENABLE ALWAYS TRIGGER trigger_sync_account_to_profile_update,
    ENABLE ALWAYS TRIGGER trigger_sync_account_to_profile_moved;

CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "unified_profiles" and cannot be truncated',
        'vibelife.vibe_users'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced; or set sync.truncate: follow in the mapping.';
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

-- A write of the target: bring it back to the source, in the same transaction or not at all. The
-- source stays the truth until contract, so a write that it cannot take is refused here.
CREATE OR REPLACE FUNCTION pgtandem_unified_profiles.sync_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $back$
#variable_conflict use_column
DECLARE
    v_old   ALIAS FOR old;
    v_new   ALIAS FOR new;
    v_depth text;
    v_set   text;
    v_op    text := TG_OP;
    v_kept  boolean;
    v_joins boolean := false;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.user_id IS DISTINCT FROM NEW.user_id
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
        IS DISTINCT FROM nullif(NEW.profile #> '{deletion,deleted_at}', 'null')))) THEN
        RETURN NULL;
    END IF;
    -- As in sync_forward: a trigger of the application may have written the row again meanwhile.
    IF current_setting('pgtandem_unified_profiles.state', true) <> '' OR pg_trigger_depth() > 1 THEN
        IF current_setting('pgtandem_unified_profiles.state',
                           true) = 'nested' AND TG_OP <> 'DELETE' THEN
            SELECT t.user_id, t.profile
            INTO v_new.user_id, v_new.profile
            FROM vibelife.unified_profiles AS t
            WHERE t.user_id = v_new.user_id;
            IF NOT FOUND OR (TG_OP = 'INSERT' AND EXISTS (
                   SELECT FROM pgtandem_unified_profiles.image AS i
                   WHERE i.user_id = v_new.user_id
                     AND i."profile.account.display_name"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,display_name}',
                                                     'null')
                     AND i."profile.account.avatar_url"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,avatar_url}',
                                                     'null')
                     AND i."profile.account.email"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email}', 'null')
                     AND i."profile.account.phone"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,phone}', 'null')
                     AND i."profile.account.email_verified"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email_verified}',
                                                     'null')
                     AND i."profile.account.linked_providers"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,linked_providers}',
                                                     'null')
                     AND (i."profile.birth_info.birth_datetime"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_datetime}',
                         'null') OR pgtandem.same_time(i."profile.birth_info.birth_datetime",
                         nullif(v_new.profile #> '{birth_info,birth_datetime}', 'null')))
                     AND (i."profile.birth_info.birth_date"
                          IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_date}',
                         'null') OR pgtandem.same_time(i."profile.birth_info.birth_date",
                         nullif(v_new.profile #> '{birth_info,birth_date}', 'null')))
                     AND (i."profile.birth_info.birth_time"
                          IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_time}',
                         'null') OR pgtandem.same_time(i."profile.birth_info.birth_time",
                         nullif(v_new.profile #> '{birth_info,birth_time}', 'null')))
                     AND i."profile.birth_info.place"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,place}', 'null')
                     AND i."profile.birth_info.latitude"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,latitude}',
                                                     'null')
                     AND i."profile.birth_info.longitude"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,longitude}',
                                                     'null')
                     AND i."profile.birth_info.rectification"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,rectification}',
                                                     'null')
                     AND i."profile.birth_info.gender"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,gender}', 'null')
                     AND i."profile.preferences.language"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,language}',
                                                     'null')
                     AND i."profile.preferences.timezone"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,timezone}',
                                                     'null')
                     AND i."profile.preferences.notifications_enabled"
                         IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                     '{preferences,notifications_enabled}', 'null')
                     AND (i."profile.preferences.reminder_time"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_time}',
                         'null') OR pgtandem.same_time(i."profile.preferences.reminder_time",
                         nullif(v_new.profile #> '{preferences,reminder_time}', 'null')))
                     AND i."profile.preferences.reminder_days"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_days}',
                                                     'null')
                     AND i."profile.preferences.session_minutes"
                         IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                     '{preferences,session_minutes}', 'null')
                     AND i."profile.preferences.interests"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,interests}',
                                                     'null')
                     AND i."profile.preferences.client_settings"
                         IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                     '{preferences,client_settings}', 'null')
                     AND (i."profile.deletion.requested_at"
                          IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,requested_at}',
                         'null') OR pgtandem.same_time(i."profile.deletion.requested_at",
                         nullif(v_new.profile #> '{deletion,requested_at}', 'null')))
                     AND i."profile.deletion.reason"
                         IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,reason}', 'null')
                     AND (i."profile.deletion.scheduled_for"
                          IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,scheduled_for}',
                         'null') OR pgtandem.same_time(i."profile.deletion.scheduled_for",
                         nullif(v_new.profile #> '{deletion,scheduled_for}', 'null')))
                     AND (i."profile.deletion.deleted_at"
                          IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,deleted_at}',
                         'null') OR pgtandem.same_time(i."profile.deletion.deleted_at",
                         nullif(v_new.profile #> '{deletion,deleted_at}', 'null'))))) THEN
                RETURN NULL;
            END IF;
        ELSIF pg_trigger_depth() > 1 THEN
            PERFORM set_config('pgtandem_unified_profiles.state', 'nested', true);
        END IF;
        IF TG_OP = 'UPDATE' AND current_setting('pgtandem_unified_profiles.state', true) = 'nested'
           AND NOT EXISTS (SELECT FROM vibelife.vibe_users AS source
                           WHERE source.id = v_old.user_id) THEN
            v_op := 'INSERT';  -- its INSERT is still waiting behind the trigger that updates it
            IF EXISTS (SELECT FROM pgtandem.recheck AS r
                       WHERE r.mapping = 'unified_profiles'
                       AND r.key = jsonb_build_array(v_old.user_id)) THEN
                RAISE EXCEPTION 'the row % of % is being deleted in %',
                    jsonb_build_array(v_old.user_id),
                    'vibelife.unified_profiles', 'vibelife.vibe_users'
                    USING ERRCODE = '40001', HINT = 'Try again.';
            END IF;
        END IF;
    END IF;
    v_depth := current_setting('pgtandem_unified_profiles.depth', true);
    v_set := set_config('pgtandem_unified_profiles.depth', pg_trigger_depth()::text, true);
    -- A document for a row that the source has already, not copied yet or just being written there:
    -- what it says goes to the source, what it leaves out comes from there.
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM vibelife.vibe_users AS source
            WHERE source.id = v_new.user_id FOR NO KEY UPDATE;
        v_joins := FOUND;
        IF v_joins THEN
            v_op := 'UPDATE';
            v_old.user_id := v_new.user_id;
        END IF;
    END IF;
    IF v_op = 'INSERT' THEN
        INSERT INTO vibelife.vibe_users AS source
            (id, display_name, avatar_url, email, phone, email_verified, linked_providers,
             birth_datetime, birth_date, birth_time, birth_place, birth_latitude, birth_longitude,
             birth_rectification, gender, language, timezone, notifications_enabled, reminder_time,
             reminder_days, session_minutes, interests, client_settings, deletion_requested_at,
             deletion_reason, deletion_scheduled_for, deleted_at)
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
                (v_new.profile #>> '{deletion,deleted_at}')::timestamptz)
        RETURNING source.id IS NOT DISTINCT FROM v_new.user_id
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
                  IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,linked_providers}', 'null')
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
                  IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,rectification}', 'null')
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
                                         nullif(v_new.profile #> '{deletion,deleted_at}', 'null')))
        INTO v_kept;
    ELSIF v_op = 'UPDATE' THEN
        IF v_old.user_id IS DISTINCT FROM v_new.user_id THEN
            UPDATE vibelife.vibe_users AS source
            SET id = v_new.user_id
            WHERE source.id = v_old.user_id;
        END IF;
        -- Only what changed: the rest of the row may be newer over there.
        UPDATE vibelife.vibe_users AS source
        SET display_name = CASE WHEN nullif(v_old.profile #> '{account,display_name}', 'null')
            IS DISTINCT FROM nullif(v_new.profile #> '{account,display_name}', 'null')
                THEN (v_new.profile #>> '{account,display_name}')::text
                    ELSE source.display_name END,
            avatar_url = CASE WHEN nullif(v_old.profile #> '{account,avatar_url}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{account,avatar_url}', 'null')
                THEN (v_new.profile #>> '{account,avatar_url}')::text ELSE source.avatar_url END,
            email = CASE WHEN nullif(v_old.profile #> '{account,email}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{account,email}', 'null')
                THEN (v_new.profile #>> '{account,email}')::text ELSE source.email END,
            phone = CASE WHEN nullif(v_old.profile #> '{account,phone}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{account,phone}', 'null')
                THEN (v_new.profile #>> '{account,phone}')::text ELSE source.phone END,
            email_verified = CASE WHEN nullif(v_old.profile #> '{account,email_verified}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{account,email_verified}', 'null')
                THEN (v_new.profile #>> '{account,email_verified}')::boolean
                    ELSE source.email_verified END,
            linked_providers = CASE
                WHEN nullif(v_old.profile #> '{account,linked_providers}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{account,linked_providers}', 'null')
                THEN pgtandem.array_of(v_new.profile #> '{account,linked_providers}')::text[]
                    ELSE source.linked_providers END,
            birth_datetime = CASE
                WHEN nullif(v_old.profile #> '{birth_info,birth_datetime}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_datetime}', 'null')
                THEN (v_new.profile #>> '{birth_info,birth_datetime}')::timestamp
                    ELSE source.birth_datetime END,
            birth_date = CASE WHEN nullif(v_old.profile #> '{birth_info,birth_date}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_date}', 'null')
                THEN (v_new.profile #>> '{birth_info,birth_date}')::date ELSE source.birth_date END,
            birth_time = CASE WHEN nullif(v_old.profile #> '{birth_info,birth_time}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_time}', 'null')
                THEN (v_new.profile #>> '{birth_info,birth_time}')::time ELSE source.birth_time END,
            birth_place = CASE WHEN nullif(v_old.profile #> '{birth_info,place}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,place}', 'null')
                THEN (v_new.profile #>> '{birth_info,place}')::text ELSE source.birth_place END,
            birth_latitude = CASE WHEN nullif(v_old.profile #> '{birth_info,latitude}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,latitude}', 'null')
                THEN (v_new.profile #>> '{birth_info,latitude}')::numeric
                    ELSE source.birth_latitude END,
            birth_longitude = CASE WHEN nullif(v_old.profile #> '{birth_info,longitude}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,longitude}', 'null')
                THEN (v_new.profile #>> '{birth_info,longitude}')::numeric
                    ELSE source.birth_longitude END,
            birth_rectification = CASE
                WHEN nullif(v_old.profile #> '{birth_info,rectification}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,rectification}', 'null')
                THEN (v_new.profile #>> '{birth_info,rectification}')::numeric
                    ELSE source.birth_rectification END,
            gender = CASE WHEN nullif(v_old.profile #> '{birth_info,gender}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,gender}', 'null')
                THEN (v_new.profile #>> '{birth_info,gender}')::text ELSE source.gender END,
            language = CASE WHEN nullif(v_old.profile #> '{preferences,language}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{preferences,language}', 'null')
                THEN (v_new.profile #>> '{preferences,language}')::text ELSE source.language END,
            timezone = CASE WHEN nullif(v_old.profile #> '{preferences,timezone}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{preferences,timezone}', 'null')
                THEN (v_new.profile #>> '{preferences,timezone}')::text ELSE source.timezone END,
            notifications_enabled = CASE
                WHEN nullif(v_old.profile #> '{preferences,notifications_enabled}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{preferences,notifications_enabled}',
                                        'null')
                THEN (v_new.profile #>> '{preferences,notifications_enabled}')::boolean
                    ELSE source.notifications_enabled END,
            reminder_time = CASE WHEN nullif(v_old.profile #> '{preferences,reminder_time}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_time}', 'null')
                THEN (v_new.profile #>> '{preferences,reminder_time}')::time
                    ELSE source.reminder_time END,
            reminder_days = CASE WHEN nullif(v_old.profile #> '{preferences,reminder_days}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_days}', 'null')
                THEN pgtandem.array_of(v_new.profile #> '{preferences,reminder_days}')::integer[]
                    ELSE source.reminder_days END,
            session_minutes = CASE
                WHEN nullif(v_old.profile #> '{preferences,session_minutes}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{preferences,session_minutes}', 'null')
                THEN (v_new.profile #>> '{preferences,session_minutes}')::numeric::integer
                    ELSE source.session_minutes END,
            interests = CASE WHEN nullif(v_old.profile #> '{preferences,interests}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{preferences,interests}', 'null')
                THEN pgtandem.array_of(v_new.profile #> '{preferences,interests}')::text[]
                    ELSE source.interests END,
            client_settings = CASE
                WHEN nullif(v_old.profile #> '{preferences,client_settings}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{preferences,client_settings}', 'null')
                THEN nullif(v_new.profile #> '{preferences,client_settings}', 'null')
                    ELSE source.client_settings END,
            deletion_requested_at = CASE
                WHEN nullif(v_old.profile #> '{deletion,requested_at}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{deletion,requested_at}', 'null')
                THEN (v_new.profile #>> '{deletion,requested_at}')::timestamptz
                    ELSE source.deletion_requested_at END,
            deletion_reason = CASE WHEN nullif(v_old.profile #> '{deletion,reason}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{deletion,reason}', 'null')
                THEN (v_new.profile #>> '{deletion,reason}')::text ELSE source.deletion_reason END,
            deletion_scheduled_for = CASE
                WHEN nullif(v_old.profile #> '{deletion,scheduled_for}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{deletion,scheduled_for}', 'null')
                THEN (v_new.profile #>> '{deletion,scheduled_for}')::date
                    ELSE source.deletion_scheduled_for END,
            deleted_at = CASE WHEN nullif(v_old.profile #> '{deletion,deleted_at}', 'null')
                IS DISTINCT FROM nullif(v_new.profile #> '{deletion,deleted_at}', 'null')
                THEN (v_new.profile #>> '{deletion,deleted_at}')::timestamptz
                    ELSE source.deleted_at END
        WHERE source.id = v_new.user_id
        RETURNING (v_old.user_id IS NOT DISTINCT FROM v_new.user_id
                   OR source.id IS NOT DISTINCT FROM v_new.user_id)
              AND (NOT (nullif(v_old.profile #> '{account,display_name}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{account,display_name}', 'null'))
                   OR to_jsonb(source.display_name)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,display_name}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{account,avatar_url}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{account,avatar_url}', 'null'))
                   OR to_jsonb(source.avatar_url)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,avatar_url}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{account,email}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{account,email}', 'null'))
                   OR to_jsonb(source.email)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{account,phone}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{account,phone}', 'null'))
                   OR to_jsonb(source.phone)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,phone}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{account,email_verified}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{account,email_verified}',
                                                'null'))
                   OR to_jsonb(source.email_verified)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,email_verified}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{account,linked_providers}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{account,linked_providers}',
                                                'null'))
                   OR to_jsonb(source.linked_providers)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{account,linked_providers}',
                                               'null'))
              AND (NOT (nullif(v_old.profile #> '{birth_info,birth_datetime}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_datetime}',
                                                'null'))
                   OR (to_jsonb(source.birth_datetime)
                       IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_datetime}',
                       'null') OR pgtandem.same_time(to_jsonb(source.birth_datetime),
                       nullif(v_new.profile #> '{birth_info,birth_datetime}', 'null'))))
              AND (NOT (nullif(v_old.profile #> '{birth_info,birth_date}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_date}', 'null'))
                   OR (to_jsonb(source.birth_date)
                       IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_date}',
                       'null') OR pgtandem.same_time(to_jsonb(source.birth_date),
                       nullif(v_new.profile #> '{birth_info,birth_date}', 'null'))))
              AND (NOT (nullif(v_old.profile #> '{birth_info,birth_time}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_time}', 'null'))
                   OR (to_jsonb(source.birth_time)
                       IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,birth_time}',
                       'null') OR pgtandem.same_time(to_jsonb(source.birth_time),
                       nullif(v_new.profile #> '{birth_info,birth_time}', 'null'))))
              AND (NOT (nullif(v_old.profile #> '{birth_info,place}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,place}', 'null'))
                   OR to_jsonb(source.birth_place)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,place}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{birth_info,latitude}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,latitude}', 'null'))
                   OR to_jsonb(source.birth_latitude)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,latitude}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{birth_info,longitude}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,longitude}', 'null'))
                   OR to_jsonb(source.birth_longitude)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,longitude}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{birth_info,rectification}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,rectification}',
                                                'null'))
                   OR to_jsonb(source.birth_rectification)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,rectification}',
                                               'null'))
              AND (NOT (nullif(v_old.profile #> '{birth_info,gender}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{birth_info,gender}', 'null'))
                   OR to_jsonb(source.gender)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{birth_info,gender}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{preferences,language}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{preferences,language}', 'null'))
                   OR to_jsonb(source.language)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,language}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{preferences,timezone}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{preferences,timezone}', 'null'))
                   OR to_jsonb(source.timezone)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,timezone}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{preferences,notifications_enabled}', 'null')
                  IS DISTINCT FROM nullif(v_new.profile #> '{preferences,notifications_enabled}',
                                          'null'))
                   OR to_jsonb(source.notifications_enabled)
                       IS NOT DISTINCT FROM nullif(v_new.profile #>
                                                   '{preferences,notifications_enabled}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{preferences,reminder_time}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_time}',
                                                'null'))
                   OR (to_jsonb(source.reminder_time)
                       IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_time}',
                       'null') OR pgtandem.same_time(to_jsonb(source.reminder_time),
                       nullif(v_new.profile #> '{preferences,reminder_time}', 'null'))))
              AND (NOT (nullif(v_old.profile #> '{preferences,reminder_days}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_days}',
                                                'null'))
                   OR to_jsonb(source.reminder_days)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,reminder_days}',
                                               'null'))
              AND (NOT (nullif(v_old.profile #> '{preferences,session_minutes}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{preferences,session_minutes}',
                                                'null'))
                   OR to_jsonb(source.session_minutes)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,session_minutes}',
                                               'null'))
              AND (NOT (nullif(v_old.profile #> '{preferences,interests}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{preferences,interests}', 'null'))
                   OR to_jsonb(source.interests)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,interests}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{preferences,client_settings}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{preferences,client_settings}',
                                                'null'))
                   OR nullif(source.client_settings, 'null')
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{preferences,client_settings}',
                                               'null'))
              AND (NOT (nullif(v_old.profile #> '{deletion,requested_at}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{deletion,requested_at}', 'null'))
                   OR (pgtandem.json_of(source.deletion_requested_at)
                       IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,requested_at}',
                       'null') OR pgtandem.same_time(pgtandem.json_of(source.deletion_requested_at),
                       nullif(v_new.profile #> '{deletion,requested_at}', 'null'))))
              AND (NOT (nullif(v_old.profile #> '{deletion,reason}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{deletion,reason}', 'null'))
                   OR to_jsonb(source.deletion_reason)
                   IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,reason}', 'null'))
              AND (NOT (nullif(v_old.profile #> '{deletion,scheduled_for}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{deletion,scheduled_for}',
                                                'null'))
                   OR (to_jsonb(source.deletion_scheduled_for)
                       IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,scheduled_for}',
                       'null') OR pgtandem.same_time(to_jsonb(source.deletion_scheduled_for),
                       nullif(v_new.profile #> '{deletion,scheduled_for}', 'null'))))
              AND (NOT (nullif(v_old.profile #> '{deletion,deleted_at}', 'null')
                        IS DISTINCT FROM nullif(v_new.profile #> '{deletion,deleted_at}', 'null'))
                   OR (pgtandem.json_of(source.deleted_at)
                       IS NOT DISTINCT FROM nullif(v_new.profile #> '{deletion,deleted_at}', 'null')
                       OR pgtandem.same_time(pgtandem.json_of(source.deleted_at),
                                             nullif(v_new.profile #> '{deletion,deleted_at}',
                                                    'null'))))
        INTO v_kept;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the row % of % has no row in %', jsonb_build_array(v_old.user_id),
                'vibelife.unified_profiles', 'vibelife.vibe_users'
                USING ERRCODE = CASE WHEN EXISTS (
                          SELECT FROM pgtandem.recheck AS r
                          WHERE r.mapping = 'unified_profiles'
                          AND r.key = jsonb_build_array(v_old.user_id))
                          OR pgtandem_unified_profiles.was_contracted()
                      THEN '40001' ELSE 'TD013' END,
                      HINT = 'It is being deleted there (try again), or was never there: pgtandem '
                             'verify unified_profiles';
        END IF;
        -- Two IFs: an expression with a subquery is an SQL statement, and would run at each write.
        IF v_old.user_id IS DISTINCT FROM v_new.user_id THEN
            IF pgtandem_unified_profiles.copy_is_open()
               OR EXISTS (SELECT FROM pgtandem.recheck AS r
                          WHERE r.mapping = 'unified_profiles'
                          AND r.key = jsonb_build_array(v_old.user_id)) THEN
                PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(v_old.user_id),
                                       'gone');
                PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(v_new.user_id),
                                       'gone');
            END IF;
        END IF;
    ELSE
        DELETE FROM vibelife.vibe_users AS source
        WHERE source.id = v_old.user_id
          AND NOT EXISTS (SELECT FROM vibelife.unified_profiles AS t
                          WHERE t.user_id = v_old.user_id);
        IF NOT FOUND AND pgtandem_unified_profiles.was_contracted() THEN
            RAISE EXCEPTION 'the source % of % has come back from its archive meanwhile',
                'vibelife.vibe_users', 'vibelife.unified_profiles'
                USING ERRCODE = '40001', HINT = 'Try again.';
        END IF;
        IF pgtandem_unified_profiles.copy_is_open() THEN
            PERFORM pgtandem.queue('unified_profiles', jsonb_build_array(v_old.user_id), 'gone');
        END IF;
    END IF;
    IF NOT v_kept THEN
        RAISE EXCEPTION 'the source % cannot hold the row % of %', 'vibelife.vibe_users',
            jsonb_build_array(v_new.user_id), 'vibelife.unified_profiles'
            USING ERRCODE = CASE WHEN v_op = 'UPDATE' AND EXISTS (
                      SELECT FROM pgtandem.recheck AS r
                      WHERE r.mapping = 'unified_profiles'
                      AND r.key = jsonb_build_array(v_old.user_id))
                  THEN '40001' ELSE 'TD011' END,
                  DETAIL = 'A value does not survive the way there and back, or leaves the filter.',
                  HINT = 'Write a value that the old side can hold, or change the mapping.';
    END IF;
    IF v_joins THEN
        UPDATE vibelife.unified_profiles AS t
        SET profile = pgtandem.as_object(t.profile, '{profile}') || jsonb_build_object(
                            'account', pgtandem.as_object(t.profile -> 'account',
                                '{profile,account}') || jsonb_build_object(
                                'display_name', i."profile.account.display_name",
                                'avatar_url', i."profile.account.avatar_url",
                                'email', i."profile.account.email",
                                'phone', i."profile.account.phone",
                                'email_verified', i."profile.account.email_verified",
                                'linked_providers', i."profile.account.linked_providers"
                            ),
                            'birth_info', pgtandem.as_object(t.profile -> 'birth_info',
                            '{profile,birth_info}') || jsonb_build_object(
                                'birth_datetime', i."profile.birth_info.birth_datetime",
                                'birth_date', i."profile.birth_info.birth_date",
                                'birth_time', i."profile.birth_info.birth_time",
                                'place', i."profile.birth_info.place",
                                'latitude', i."profile.birth_info.latitude",
                                'longitude', i."profile.birth_info.longitude",
                                'rectification', i."profile.birth_info.rectification",
                                'gender', i."profile.birth_info.gender"
                            ),
                            'preferences', pgtandem.as_object(t.profile -> 'preferences',
                            '{profile,preferences}') || jsonb_build_object(
                                'language', i."profile.preferences.language",
                                'timezone', i."profile.preferences.timezone",
                                'notifications_enabled',
                                    i."profile.preferences.notifications_enabled",
                                'reminder_time', i."profile.preferences.reminder_time",
                                'reminder_days', i."profile.preferences.reminder_days",
                                'session_minutes', i."profile.preferences.session_minutes",
                                'interests', i."profile.preferences.interests",
                                'client_settings', i."profile.preferences.client_settings"
                            ),
                            'deletion', pgtandem.as_object(t.profile -> 'deletion',
                                '{profile,deletion}') || jsonb_build_object(
                                'requested_at', i."profile.deletion.requested_at",
                                'reason', i."profile.deletion.reason",
                                'scheduled_for', i."profile.deletion.scheduled_for",
                                'deleted_at', i."profile.deletion.deleted_at"
                            )
                        )
        FROM pgtandem_unified_profiles.image AS i
        WHERE t.user_id = v_new.user_id AND i.user_id = v_new.user_id
          AND (nullif(t.profile #> '{account,display_name}', 'null')
               IS DISTINCT FROM i."profile.account.display_name"
               OR nullif(t.profile #> '{account,avatar_url}', 'null')
                   IS DISTINCT FROM i."profile.account.avatar_url"
               OR nullif(t.profile #> '{account,email}', 'null')
                   IS DISTINCT FROM i."profile.account.email"
               OR nullif(t.profile #> '{account,phone}', 'null')
                   IS DISTINCT FROM i."profile.account.phone"
               OR nullif(t.profile #> '{account,email_verified}', 'null')
                   IS DISTINCT FROM i."profile.account.email_verified"
               OR nullif(t.profile #> '{account,linked_providers}', 'null')
                   IS DISTINCT FROM i."profile.account.linked_providers"
               OR (nullif(t.profile #> '{birth_info,birth_datetime}', 'null')
                   IS DISTINCT FROM i."profile.birth_info.birth_datetime"
                   AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_datetime}',
                                                     'null'),
                                                     i."profile.birth_info.birth_datetime"))
               OR (nullif(t.profile #> '{birth_info,birth_date}', 'null')
                   IS DISTINCT FROM i."profile.birth_info.birth_date"
                   AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_date}',
                                                     'null'), i."profile.birth_info.birth_date"))
               OR (nullif(t.profile #> '{birth_info,birth_time}', 'null')
                   IS DISTINCT FROM i."profile.birth_info.birth_time"
                   AND NOT pgtandem.same_time(nullif(t.profile #> '{birth_info,birth_time}',
                                                     'null'), i."profile.birth_info.birth_time"))
               OR nullif(t.profile #> '{birth_info,place}', 'null')
                   IS DISTINCT FROM i."profile.birth_info.place"
               OR nullif(t.profile #> '{birth_info,latitude}', 'null')
                   IS DISTINCT FROM i."profile.birth_info.latitude"
               OR nullif(t.profile #> '{birth_info,longitude}', 'null')
                   IS DISTINCT FROM i."profile.birth_info.longitude"
               OR nullif(t.profile #> '{birth_info,rectification}', 'null')
                   IS DISTINCT FROM i."profile.birth_info.rectification"
               OR nullif(t.profile #> '{birth_info,gender}', 'null')
                   IS DISTINCT FROM i."profile.birth_info.gender"
               OR nullif(t.profile #> '{preferences,language}', 'null')
                   IS DISTINCT FROM i."profile.preferences.language"
               OR nullif(t.profile #> '{preferences,timezone}', 'null')
                   IS DISTINCT FROM i."profile.preferences.timezone"
               OR nullif(t.profile #> '{preferences,notifications_enabled}', 'null')
                   IS DISTINCT FROM i."profile.preferences.notifications_enabled"
               OR (nullif(t.profile #> '{preferences,reminder_time}', 'null')
                   IS DISTINCT FROM i."profile.preferences.reminder_time"
                   AND NOT pgtandem.same_time(nullif(t.profile #> '{preferences,reminder_time}',
                                                     'null'),
                                                     i."profile.preferences.reminder_time"))
               OR nullif(t.profile #> '{preferences,reminder_days}', 'null')
                   IS DISTINCT FROM i."profile.preferences.reminder_days"
               OR nullif(t.profile #> '{preferences,session_minutes}', 'null')
                   IS DISTINCT FROM i."profile.preferences.session_minutes"
               OR nullif(t.profile #> '{preferences,interests}', 'null')
                   IS DISTINCT FROM i."profile.preferences.interests"
               OR nullif(t.profile #> '{preferences,client_settings}', 'null')
                   IS DISTINCT FROM i."profile.preferences.client_settings"
               OR (nullif(t.profile #> '{deletion,requested_at}', 'null')
                   IS DISTINCT FROM i."profile.deletion.requested_at"
                   AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,requested_at}',
                                                     'null'), i."profile.deletion.requested_at"))
               OR nullif(t.profile #> '{deletion,reason}', 'null')
                   IS DISTINCT FROM i."profile.deletion.reason"
               OR (nullif(t.profile #> '{deletion,scheduled_for}', 'null')
                   IS DISTINCT FROM i."profile.deletion.scheduled_for"
                   AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,scheduled_for}',
                                                     'null'), i."profile.deletion.scheduled_for"))
               OR (nullif(t.profile #> '{deletion,deleted_at}', 'null')
                   IS DISTINCT FROM i."profile.deletion.deleted_at"
                   AND NOT pgtandem.same_time(nullif(t.profile #> '{deletion,deleted_at}', 'null'),
                                              i."profile.deletion.deleted_at")));
    END IF;
    v_set := set_config('pgtandem_unified_profiles.depth', v_depth, true);
    RETURN NULL;
END;
$back$;
REVOKE ALL ON FUNCTION pgtandem_unified_profiles.sync_back() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_unified_profiles.sync_back() IS
    'Trigger on vibelife.unified_profiles: brings what changed back to vibelife.vibe_users. TD011 '
    'a value that does not survive, TD013 a row without a source.';

CREATE OR REPLACE TRIGGER pgtandem_unified_profiles_back_write
    AFTER INSERT OR DELETE ON vibelife.unified_profiles
    FOR EACH ROW
    WHEN (current_setting('pgtandem_unified_profiles.depth',
                          true) IS DISTINCT FROM pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_unified_profiles.sync_back();
CREATE OR REPLACE TRIGGER pgtandem_unified_profiles_back_update
    AFTER UPDATE ON vibelife.unified_profiles
    FOR EACH ROW
    WHEN (current_setting('pgtandem_unified_profiles.depth',
                          true) IS DISTINCT FROM pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_unified_profiles.sync_back();
ALTER TABLE vibelife.unified_profiles
    ENABLE ALWAYS TRIGGER pgtandem_unified_profiles_back_write,
    ENABLE ALWAYS TRIGGER pgtandem_unified_profiles_back_update;

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

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('unified_profiles');
    PERFORM pgtandem.take_sample('unified_profiles');
    PERFORM pgtandem.set_phase('unified_profiles', 'sync');
END;
$do$;

COMMIT;
