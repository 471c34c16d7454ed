-- Deploy vibelife_v5:v5_validate to pg
-- requires: v5_foreign_keys entitlements_backfill dimensions_backfill pgtandem:drain pgtandem:event
--
-- Proves the foreign keys of v5_foreign_keys for the rows that were there before them.
--
-- Where a user was deleted before the foreign keys were there, rows in the new tables may have been
-- left behind. Those that a mapping made are in its queue, which is drained first. Where there are
-- others, it ends with TD904 and says how many; nothing is removed unless you say so by name, and
-- that is written to pgtandem.event:
--
--     PGOPTIONS="-c pgtandem.drop_data=v5_validate" sqitch deploy
--
-- Locks: each of the new tables SHARE UPDATE EXCLUSIVE, and vibe_users ROW SHARE, for one scan of
-- that table, one table after the other: readers and writers of all go on. A million entitlements
-- take about a second. Running it again goes on where it stopped.

SET client_connection_check_interval = '2s';

-- What was queued before the foreign keys were there. Another worker may have some of it in hand.
DO $$
DECLARE
    v_upto bigint := (SELECT max(id) FROM pgtandem.recheck);
BEGIN
    FOR v_try IN 1..25 LOOP
        EXIT WHEN NOT EXISTS (SELECT
                                FROM pgtandem.recheck
                               WHERE mapping IN ('entitlements', 'dimensions') AND id <= v_upto);
        CALL pgtandem.drain('entitlements');
        CALL pgtandem.drain('dimensions');
        PERFORM pg_sleep(0.2);
        COMMIT;
    END LOOP;
END;
$$;

-- Rows of nobody, by table; and, where it is allowed by name, the end of them.
BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    v_allowed boolean := coalesce(current_setting('pgtandem.drop_data', true) = 'v5_validate',
                                  false);
    v_table   text;
    v_left    bigint;
    v_all     jsonb := '{}';
BEGIN
    -- life_events first: its rows refer to memories.
    FOREACH v_table IN ARRAY ARRAY[
        'life_events', 'user_memories', 'user_preferences', 'identity_prism', 'dimension_profiles',
        'daily_rituals', 'user_entitlements', 'push_subscriptions'
    ] LOOP
        CONTINUE WHEN EXISTS (
            SELECT
              FROM pg_catalog.pg_constraint
             WHERE conrelid = format('vibelife.%I', v_table)::regclass
               AND conname = v_table || '_user_fkey'
               AND convalidated
        );
        EXECUTE format(
            CASE WHEN v_allowed
                 THEN 'WITH gone AS (DELETE FROM vibelife.%I AS t WHERE NOT EXISTS (SELECT FROM '
                      'vibelife.vibe_users AS u WHERE u.vibe_id = t.user_id) RETURNING 1) '
                      'SELECT count(*) FROM gone'
                 ELSE 'SELECT count(*) FROM vibelife.%I AS t WHERE NOT EXISTS (SELECT FROM '
                      'vibelife.vibe_users AS u WHERE u.vibe_id = t.user_id)'
            END, v_table)
           INTO v_left;
        IF v_left > 0 THEN
            v_all := v_all || jsonb_build_object(v_table, v_left);
        END IF;
    END LOOP;

    IF v_all <> '{}' AND NOT v_allowed THEN
        RAISE EXCEPTION 'rows in the new tables belong to users who are gone'
            USING ERRCODE = 'TD904',
                  DETAIL = (SELECT string_agg(format('%s: %s', l.key, l.value), ', ' ORDER BY l.key)
                              FROM jsonb_each(v_all) AS l),
                  HINT = 'To delete them, as the foreign keys would have: '
                         'PGOPTIONS="-c pgtandem.drop_data=v5_validate" sqitch deploy.';
    END IF;
    IF v_all <> '{}' THEN
        PERFORM pgtandem.log_event(
            'vibelife_v5', 'override',
            jsonb_build_object('pgtandem.drop_data', 'v5_validate') || v_all
        );
    END IF;
END;
$$;

COMMIT;

-- Longer than deadlock_timeout, so that an autovacuum in the way is sent off. Nobody but VACUUM and
-- DDL queues behind these locks.
SET lock_timeout = '30s';

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY[
        'user_preferences', 'identity_prism', 'dimension_profiles', 'user_memories', 'life_events',
        'daily_rituals', 'user_entitlements', 'push_subscriptions'
    ] LOOP
        EXECUTE format('ALTER TABLE vibelife.%I VALIDATE CONSTRAINT %I', v_table,
                       v_table || '_user_fkey');
        COMMIT;
    END LOOP;
END;
$$;

RESET lock_timeout;
RESET client_connection_check_interval;
