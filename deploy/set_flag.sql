-- Deploy pgtandem:set_flag to pg
-- requires: rollout
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.set_flag(text, text, text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._lock_flag(p_flag text) RETURNS pgtandem.flag
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_flag pgtandem.flag;
BEGIN
    SELECT * INTO v_flag FROM pgtandem.flag WHERE name = p_flag FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no flag "%"', p_flag
            USING ERRCODE = 'TD050',
                  DETAIL = format('Flags: %s.', coalesce(
                      (SELECT string_agg(name, ', ' ORDER BY name) FROM pgtandem.flag), 'none')),
                  HINT = 'Mend the name, or make the flag: pgtandem rollout set NAME PERCENTAGE';
    END IF;
    RETURN v_flag;
END;
$$;
COMMENT ON FUNCTION pgtandem._lock_flag(text) IS
    'The row of a flag, locked until the transaction ends: of two changes one waits. TD050 where '
    'there is no such flag.';

CREATE FUNCTION pgtandem._note_flag(
    p_flag    text,
    p_what    text,
    p_subject text,
    p_old     text,
    p_new     text,
    p_reason  text
) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO pgtandem.flag_change (flag, what, subject, old, new, reason)
    VALUES (p_flag, p_what, p_subject, p_old, p_new, p_reason);
    UPDATE pgtandem.flag SET changed_at = clock_timestamp(), changed_by = session_user
    WHERE name = p_flag;
$$;
COMMENT ON FUNCTION pgtandem._note_flag(text, text, text, text, text, text) IS
    'Writes one change of a flag into its history.';

CREATE FUNCTION pgtandem.set_flag(
    p_flag   text,
    p_state  text,
    p_reason text DEFAULT NULL,
    OUT was     text,
    OUT becomes text,
    OUT lowers  boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_flag       pgtandem.flag;
    v_word       text := lower(btrim(p_state));
    v_number     numeric := substring(v_word FROM '^(\d{1,9}(?:\.\d{1,9})?)\s*%?$')::numeric;
    v_percentage integer := CASE WHEN v_word = 'on' THEN 100
                                 WHEN v_word = 'off' THEN 0
                                 WHEN v_number BETWEEN 0 AND 100 AND v_number = trunc(v_number)
                                 THEN v_number::integer END;
    v_state      text := CASE WHEN v_word IN ('on', 'off') THEN v_word ELSE 'percentage' END;
BEGIN
    IF v_percentage IS NULL THEN
        RAISE EXCEPTION '"%" is no state of a flag', coalesce(p_state, 'NULL')
            USING ERRCODE = 'TD051',
                  DETAIL = CASE WHEN v_number BETWEEN 0 AND 100
                                THEN 'There are 100 buckets of users, so a part of a percent would '
                                     'switch on as many as a whole one.' ELSE '' END,
                  HINT = 'on, off, or a whole percentage from 0 to 100.';
    ELSIF (octet_length(p_flag) BETWEEN 1 AND 500) IS NOT TRUE THEN
        RAISE EXCEPTION '"%" is no name of a flag', coalesce(left(p_flag, 100), 'NULL')
            USING ERRCODE = 'TD053', HINT = 'A name has 1 to 500 bytes.';
    END IF;
    becomes := CASE v_state WHEN 'percentage' THEN v_percentage || ' %' ELSE v_state END;
    INSERT INTO pgtandem.flag (name, state, percentage) VALUES (p_flag, v_state, v_percentage)
    ON CONFLICT (name) DO NOTHING;
    IF FOUND THEN
        lowers := false;
    ELSE
        v_flag := pgtandem._lock_flag(p_flag);
        was := CASE v_flag.state WHEN 'percentage' THEN v_flag.percentage || ' %'
                                 ELSE v_flag.state END;
        -- 0 % keeps allow list and cohorts, off does not; on serves who asks without a user.
        lowers := (v_state <> 'off', v_percentage, v_state = 'on')
                  < (v_flag.state <> 'off', v_flag.percentage, v_flag.state = 'on');
    END IF;
    IF was IS DISTINCT FROM becomes THEN
        UPDATE pgtandem.flag SET state = v_state, percentage = v_percentage WHERE name = p_flag;
        PERFORM pgtandem._note_flag(p_flag, 'state', NULL, was, becomes, p_reason);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.set_flag(text, text, text) IS
    'Sets a flag to on, off, or a percentage, and makes it where there is none. Returns what it '
    'was (NULL: new), what it is now, and whether somebody may have lost it. Where nothing '
    'changes, nothing is written. TD051: no such state. TD053: no name.';

CREATE FUNCTION pgtandem.set_flag(
    p_flag       text,
    p_percentage numeric,
    p_reason     text DEFAULT NULL,
    OUT was     text,
    OUT becomes text,
    OUT lowers  boolean
)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT * FROM pgtandem.set_flag(p_flag, p_percentage::text, p_reason);
$$;
COMMENT ON FUNCTION pgtandem.set_flag(text, numeric, text) IS 'The same for a number.';

CREATE FUNCTION pgtandem.next_stage(
    p_flag   text,
    p_reason text DEFAULT NULL,
    OUT was     text,
    OUT becomes text,
    OUT lowers  boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_flag pgtandem.flag := pgtandem._lock_flag(p_flag);
    v_next integer := (SELECT min(s) FROM unnest(v_flag.stages) AS s WHERE s > v_flag.percentage);
BEGIN
    IF v_next IS NULL THEN
        RAISE EXCEPTION 'the flag "%" has no stage after % %%', p_flag, v_flag.percentage
            USING ERRCODE = 'TD054',
                  DETAIL = format('Its stages: %s.', array_to_string(v_flag.stages, ', ')),
                  HINT = 'Set it to on, or give it other stages: pgtandem rollout stages';
    END IF;
    SELECT * INTO was, becomes, lowers FROM pgtandem.set_flag(p_flag, v_next, p_reason);
END;
$$;
COMMENT ON FUNCTION pgtandem.next_stage(text, text) IS
    'Raises a flag to its next stage. TD054 where there is none.';

CREATE FUNCTION pgtandem.previous_stage(
    p_flag   text,
    p_reason text DEFAULT NULL,
    OUT was     text,
    OUT becomes text,
    OUT lowers  boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_flag pgtandem.flag := pgtandem._lock_flag(p_flag);
    v_last integer := (SELECT max(s) FROM unnest(v_flag.stages) AS s WHERE s < v_flag.percentage);
BEGIN
    IF v_flag.state = 'off' THEN
        RAISE EXCEPTION 'the flag "%" is off: there is no stage before that', p_flag
            USING ERRCODE = 'TD054', HINT = 'Nothing was changed.';
    END IF;
    SELECT * INTO was, becomes, lowers
    FROM pgtandem.set_flag(p_flag, coalesce(v_last::text, 'off'), p_reason);
END;
$$;
COMMENT ON FUNCTION pgtandem.previous_stage(text, text) IS
    'Lowers a flag to the stage before; before the first one it is off. TD054 where it is off.';

CREATE FUNCTION pgtandem.set_stages(
    p_flag   text,
    p_stages integer[],
    p_reason text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_flag pgtandem.flag := pgtandem._lock_flag(p_flag);
BEGIN
    IF (cardinality(p_stages) > 0
        AND p_stages = ARRAY(SELECT DISTINCT s FROM unnest(p_stages) AS s
                             WHERE s BETWEEN 1 AND 100 ORDER BY s)) IS NOT TRUE
    THEN
        RAISE EXCEPTION '% are no stages of a flag', coalesce(p_stages::text, 'NULL')
            USING ERRCODE = 'TD051',
                  HINT = 'Whole percentages from 1 to 100, each greater than the one before.';
    ELSIF p_stages <> v_flag.stages THEN
        UPDATE pgtandem.flag SET stages = p_stages WHERE name = p_flag;
        PERFORM pgtandem._note_flag(p_flag, 'stages', NULL, array_to_string(v_flag.stages, ', '),
                                    array_to_string(p_stages, ', '), p_reason);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.set_stages(text, integer[], text) IS
    'Replaces the percentages that next_stage goes through; the flag stays where it is. TD051 '
    'where they do not ascend.';

CREATE FUNCTION pgtandem.set_flag_users(
    p_flag   text,
    p_list   text,
    p_users  text[],
    p_reason text DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_list  text := nullif(p_list, 'none');
    v_wrong text := (SELECT coalesce(left(u, 100), 'NULL') FROM unnest(p_users) AS u
                     WHERE (octet_length(u) BETWEEN 1 AND 1000) IS NOT TRUE LIMIT 1);
    v_count bigint;
BEGIN
    PERFORM pgtandem._lock_flag(p_flag);
    IF (p_list IN ('allow', 'deny', 'none')) IS NOT TRUE THEN
        RAISE EXCEPTION '"%" is no list of a flag', coalesce(p_list, 'NULL')
            USING ERRCODE = 'TD053', HINT = 'allow, deny or none.';
    ELSIF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION '"%" is no user', v_wrong
            USING ERRCODE = 'TD053',
                  DETAIL = 'Nobody was listed.',
                  HINT = 'A user is a text of 1 to 1000 bytes.';
    END IF;
    INSERT INTO pgtandem.flag_change (flag, what, subject, old, new, reason)
    SELECT p_flag, 'user', w.user_id, u.list, v_list, p_reason
    FROM (SELECT DISTINCT unnest(p_users)) AS w (user_id)
    LEFT JOIN pgtandem.flag_user AS u ON u.flag = p_flag AND u.user_id = w.user_id
    WHERE u.list IS DISTINCT FROM v_list;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    DELETE FROM pgtandem.flag_user
    WHERE flag = p_flag AND user_id = ANY (p_users) AND list IS DISTINCT FROM v_list;
    INSERT INTO pgtandem.flag_user (flag, user_id, list)
    SELECT DISTINCT p_flag, u, v_list FROM unnest(p_users) AS u WHERE v_list IS NOT NULL
    ON CONFLICT (flag, user_id) DO NOTHING;
    IF v_count > 0 THEN
        UPDATE pgtandem.flag SET changed_at = clock_timestamp(), changed_by = session_user
        WHERE name = p_flag;
    END IF;
    RETURN v_count;
END;
$$;
COMMENT ON FUNCTION pgtandem.set_flag_users(text, text, text[], text) IS
    'Puts users on the allow list or the deny list of a flag, or, by none, on no list. Returns how '
    'many were not there before. TD053: no list, or no user.';

COMMIT;
