-- Revert vibelife_v5:v5_tables from pg
--
-- The data rollback of the plan keeps the new tables: it is "sqitch revert --to v5_tables", which
-- stops before this script. This one drops them. It refuses (TD901) while rows would be lost that
-- exist nowhere else. These are all rows but the ones that a backfill would make again:
-- dimension_profiles that user_profiles still says, and entitlements of which nothing was used. To
-- drop them all the same, save them and say so by name:
--
--     PGOPTIONS="-c pgtandem.drop_data=v5_tables" sqitch revert
--
-- Locks the eight tables ACCESS EXCLUSIVE, in bounded tries, while it looks: one scan of each. At
-- this point no trigger and no foreign key leads to them from the old tables, so the old
-- application waits for nothing. The extension vector stays; others may use it.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('vibelife.push_subscriptions') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    v_allowed boolean := coalesce(current_setting('pgtandem.drop_data', true) = 'v5_tables', false);
    v_lost    jsonb;
BEGIN
    PERFORM pgtandem.lock_tables(
        ARRAY['vibelife.user_preferences', 'vibelife.identity_prism', 'vibelife.dimension_profiles',
              'vibelife.user_memories', 'vibelife.life_events', 'vibelife.daily_rituals',
              'vibelife.user_entitlements', 'vibelife.push_subscriptions']::regclass[],
        'ACCESS EXCLUSIVE'
    );

    SELECT jsonb_object_agg(l.name, l.rows)
      INTO v_lost
      FROM (
        SELECT 'user_preferences', count(*) FROM vibelife.user_preferences
        UNION ALL
        SELECT 'identity_prism', count(*) FROM vibelife.identity_prism
        UNION ALL
        SELECT 'dimension_profiles', count(*)
          FROM vibelife.dimension_profiles AS d
         WHERE num_nonnulls(d.interpretation, d.core_contribution, d.inner_contribution,
                            d.outer_contribution) > 0
            OR NOT EXISTS (
                   SELECT
                     FROM vibelife.user_profiles AS p
                    WHERE p.user_id = d.user_id
                      AND p.profile_data -> d.dimension_type = d.raw_data
               )
        UNION ALL
        SELECT 'user_memories', count(*) FROM vibelife.user_memories
        UNION ALL
        SELECT 'life_events', count(*) FROM vibelife.life_events
        UNION ALL
        SELECT 'daily_rituals', count(*) FROM vibelife.daily_rituals
        UNION ALL
        SELECT 'user_entitlements', count(*)
          FROM vibelife.user_entitlements
         WHERE (daily_conversations_used, monthly_relationship_analyses_used, unlocked_dimensions,
                has_pdf_report, has_identity_prism, has_rituals)
               IS DISTINCT FROM (0, 0, ARRAY['bazi'], false, false, false)
        UNION ALL
        SELECT 'push_subscriptions', count(*) FROM vibelife.push_subscriptions
      ) AS l (name, rows)
     WHERE l.rows > 0;

    IF v_lost IS NOT NULL AND NOT v_allowed THEN
        RAISE EXCEPTION 'reverting v5_tables would destroy rows that exist nowhere else'
            USING ERRCODE = 'TD901',
                  DETAIL = (SELECT string_agg(format('%s: %s', l.key, l.value), ', ' ORDER BY l.key)
                              FROM jsonb_each(v_lost) AS l),
                  HINT = 'To roll back and keep them, which is done by now: sqitch revert --to '
                         'v5_tables. To drop them: save them (pg_dump --schema=vibelife), then '
                         'allow it by name: PGOPTIONS="-c pgtandem.drop_data=v5_tables" sqitch '
                         'revert.';
    END IF;

    IF v_lost IS NOT NULL THEN
        PERFORM pgtandem.log_event(
            'vibelife_v5', 'override',
            jsonb_build_object('pgtandem.drop_data', 'v5_tables') || v_lost
        );
    END IF;
END;
$$;

DROP TABLE vibelife.life_events;
DROP TABLE vibelife.user_memories;
DROP TABLE vibelife.user_preferences;
DROP TABLE vibelife.identity_prism;
DROP TABLE vibelife.dimension_profiles;
DROP TABLE vibelife.daily_rituals;
DROP TABLE vibelife.user_entitlements;
DROP TABLE vibelife.push_subscriptions;

COMMIT;
