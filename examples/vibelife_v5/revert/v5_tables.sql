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
-- Three steps, so that the long part stops nobody:
--
--   1. It looks, without a lock, at all rows.
--   2. The foreign keys go: vibe_users and the eight tables ACCESS EXCLUSIVE for some milliseconds,
--      in bounded tries.
--   3. The eight tables ACCESS EXCLUSIVE, in bounded tries: it looks again, one scan of each, and
--      drops them. Nothing leads to them from the old tables any more, so the old application waits
--      for nothing.
--
-- Where something was written between 1 and 3, it ends without the foreign keys: the next deploy
-- makes them anew. The extension vector stays; others may use it.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('vibelife.push_subscriptions') IS NULL AS done \gset
\if :done
    \quit
\endif

SET client_min_messages = warning;
SET lock_timeout = '1s';

CREATE TEMPORARY VIEW going (name) AS
SELECT format('vibelife.%I', t.name)::regclass
  FROM unnest(ARRAY['user_preferences', 'identity_prism', 'dimension_profiles', 'user_memories',
                    'life_events', 'daily_rituals', 'user_entitlements', 'push_subscriptions'])
    AS t (name);

-- What would be lost, by table.
CREATE TEMPORARY VIEW lost (name, rows) AS
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
SELECT 'push_subscriptions', count(*) FROM vibelife.push_subscriptions;

CREATE FUNCTION pg_temp.refuse_to_lose() RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_lost jsonb := (SELECT jsonb_object_agg(l.name, l.rows) FROM pg_temp.lost AS l WHERE rows > 0);
BEGIN
    IF v_lost IS NULL THEN
        RETURN;
    END IF;
    IF current_setting('pgtandem.drop_data', true) IS DISTINCT FROM 'v5_tables' THEN
        RAISE EXCEPTION 'reverting v5_tables would destroy rows that exist nowhere else'
            USING ERRCODE = 'TD901',
                  DETAIL = (SELECT string_agg(format('%s: %s', l.key, l.value), ', ' ORDER BY l.key)
                              FROM jsonb_each(v_lost) AS l),
                  HINT = 'To roll back and keep them, which is done by now: sqitch revert --to '
                         'v5_tables. To drop them: save them (pg_dump --schema=vibelife), then '
                         'allow it by name: PGOPTIONS="-c pgtandem.drop_data=v5_tables" sqitch '
                         'revert.';
    END IF;
    PERFORM pgtandem.log_event(
        'vibelife_v5', 'override',
        jsonb_build_object('pgtandem.drop_data', 'v5_tables') || v_lost
    );
END;
$$;

-- Rolled back: what it says here is said again, and noted, under the locks.
BEGIN;
SELECT pg_temp.refuse_to_lose();
ROLLBACK;

BEGIN ISOLATION LEVEL READ COMMITTED;

DO $$
DECLARE
    v_key record;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_constraint
                WHERE conrelid IN (SELECT name FROM pg_temp.going)
                  AND confrelid = 'vibelife.vibe_users'::regclass) THEN
        PERFORM pgtandem.lock_tables(
            ARRAY(SELECT name FROM pg_temp.going) || 'vibelife.vibe_users'::regclass,
            'ACCESS EXCLUSIVE'
        );
    END IF;
    FOR v_key IN SELECT conrelid::regclass AS relation, conname AS name
                   FROM pg_catalog.pg_constraint
                  WHERE conrelid IN (SELECT name FROM pg_temp.going)
                    AND confrelid = 'vibelife.vibe_users'::regclass
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', v_key.relation, v_key.name);
    END LOOP;
END;
$$;

COMMIT;

BEGIN ISOLATION LEVEL READ COMMITTED;

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(ARRAY(SELECT name FROM pg_temp.going), 'ACCESS EXCLUSIVE');
    PERFORM pg_temp.refuse_to_lose();
END;
$$;

DROP VIEW pg_temp.lost;
DROP TABLE vibelife.life_events;
DROP TABLE vibelife.user_memories;
DROP TABLE vibelife.user_preferences;
DROP TABLE vibelife.identity_prism;
DROP TABLE vibelife.dimension_profiles;
DROP TABLE vibelife.daily_rituals;
DROP TABLE vibelife.user_entitlements;
DROP TABLE vibelife.push_subscriptions;

COMMIT;

DROP FUNCTION pg_temp.refuse_to_lose();
DROP VIEW pg_temp.going;
RESET lock_timeout;
RESET client_min_messages;
