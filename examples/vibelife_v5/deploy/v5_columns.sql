-- Deploy vibelife_v5:v5_columns to pg
-- requires: v5_tables pgtandem:lock_tables
--
-- Twelve columns more on four old tables, with their defaults. All defaults are constants, so no
-- table is rewritten: PostgreSQL notes the default once, for the rows that are there.
--
-- Locks: vibe_users, conversations, messages and subscription_plans ACCESS EXCLUSIVE for some
-- milliseconds, in bounded tries.
--
-- Where an earlier revert of this change has archived values (schema vibelife_archive), they are
-- put back then, 1,000 rows at a time, each batch committed. A row that somebody has locked is left
-- for the next round, so nobody ever waits for us longer than for one batch, and there can be no
-- deadlock. A column that does not hold its default any more keeps its newer value; the values of
-- rows deleted meanwhile are dropped. Killed at any point, it goes on when deployed again.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(
        ARRAY['vibelife.vibe_users', 'vibelife.conversations', 'vibelife.messages',
              'vibelife.subscription_plans']::regclass[],
        'ACCESS EXCLUSIVE'
    );
END;
$$;

ALTER TABLE vibelife.vibe_users
    ADD COLUMN IF NOT EXISTS journey_stage           varchar(20) DEFAULT 'encounter',
    ADD COLUMN IF NOT EXISTS journey_started_at      timestamp,
    ADD COLUMN IF NOT EXISTS last_active_at          timestamp,
    ADD COLUMN IF NOT EXISTS consecutive_active_days integer     DEFAULT 0,
    ADD COLUMN IF NOT EXISTS total_conversations     integer     DEFAULT 0;
COMMENT ON COLUMN vibelife.vibe_users.journey_stage IS
    'How far the user has come: encounter (nothing is known yet), first_sight, understanding, '
    'trust, dependence, symbiosis.';
COMMENT ON COLUMN vibelife.vibe_users.journey_started_at IS 'When the journey began.';
COMMENT ON COLUMN vibelife.vibe_users.last_active_at IS 'When the user last did something.';
COMMENT ON COLUMN vibelife.vibe_users.consecutive_active_days IS
    'Days in a row up to last_active_at; kept by version 5.';
COMMENT ON COLUMN vibelife.vibe_users.total_conversations IS
    'Conversations so far; kept by version 5.';

ALTER TABLE vibelife.conversations
    ADD COLUMN IF NOT EXISTS context_snapshot jsonb,
    ADD COLUMN IF NOT EXISTS dimensions_used  text[] DEFAULT ARRAY[]::text[],
    ADD COLUMN IF NOT EXISTS emotional_arc    jsonb;
COMMENT ON COLUMN vibelife.conversations.context_snapshot IS 'What was known when it was begun.';
COMMENT ON COLUMN vibelife.conversations.dimensions_used IS 'Which dimensions it drew on.';
COMMENT ON COLUMN vibelife.conversations.emotional_arc IS 'How the mood went.';

ALTER TABLE vibelife.messages
    ADD COLUMN IF NOT EXISTS extracted_memories    uuid[],
    ADD COLUMN IF NOT EXISTS emotional_state       jsonb,
    ADD COLUMN IF NOT EXISTS dimensions_referenced text[];
COMMENT ON COLUMN vibelife.messages.extracted_memories IS 'The user_memories made of it.';
COMMENT ON COLUMN vibelife.messages.emotional_state IS 'The mood that it shows.';
COMMENT ON COLUMN vibelife.messages.dimensions_referenced IS 'Which dimensions it speaks of.';

ALTER TABLE vibelife.subscription_plans
    ADD COLUMN IF NOT EXISTS tier varchar(10);
COMMENT ON COLUMN vibelife.subscription_plans.tier IS 'The entitlement that the plan gives.';

COMMIT;

-- What an earlier revert has archived, if one has.
SET client_connection_check_interval = '2s';

DO $$
DECLARE
    v_table  record;
    v_last   uuid;
    v_seen   bigint;
    v_left   bigint;
    v_rounds integer := 0;
BEGIN
    FOR v_table IN
        SELECT a.relname AS name, a.oid::regclass AS archive, t.oid::regclass AS relation, s.*
          FROM pg_catalog.pg_class AS a
          JOIN pg_catalog.pg_class AS t
            ON t.relname = a.relname AND t.relnamespace = 'vibelife'::regnamespace
         CROSS JOIN LATERAL (
            -- The first column of an archive is the key; the rest go back where nobody wrote.
            SELECT min(quote_ident(c.attname)) FILTER (WHERE c.attnum = 1) AS key,
                   string_agg(
                       format('%1$I = CASE WHEN t.%1$I IS NOT DISTINCT FROM %2$s THEN b.%1$I '
                              'ELSE t.%1$I END',
                              c.attname, coalesce(pg_get_expr(d.adbin, d.adrelid), 'NULL')),
                       ', ' ORDER BY c.attnum
                   ) FILTER (WHERE c.attnum > 1) AS assignments
              FROM pg_catalog.pg_attribute AS c
              JOIN pg_catalog.pg_attribute AS n ON n.attrelid = t.oid AND n.attname = c.attname
              LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = n.attnum
             WHERE c.attrelid = a.oid
               AND c.attnum > 0
          ) AS s
         WHERE a.relnamespace = to_regnamespace('vibelife_archive')
           AND a.relname IN ('vibe_users', 'conversations', 'messages', 'subscription_plans')
           AND a.relkind = 'r'
         ORDER BY a.relname
    LOOP
        v_last := NULL;
        LOOP
            EXECUTE format($q$
                WITH batch AS MATERIALIZED (
                    SELECT * FROM %1$s WHERE %3$s > $1 OR $1 IS NULL ORDER BY %3$s LIMIT 1000
                ), locked AS MATERIALIZED (
                    SELECT t.%3$s
                      FROM %2$s AS t
                     WHERE t.%3$s IN (SELECT %3$s FROM batch)
                       FOR NO KEY UPDATE SKIP LOCKED
                ), restored AS (
                    UPDATE %2$s AS t
                       SET %4$s
                      FROM batch AS b
                     WHERE t.%3$s = b.%3$s
                       AND b.%3$s IN (SELECT %3$s FROM locked)
                ), done AS (
                    DELETE FROM %1$s AS a
                     USING batch AS b
                     WHERE a.%3$s = b.%3$s
                       AND (   b.%3$s IN (SELECT %3$s FROM locked)
                            OR NOT EXISTS (SELECT FROM %2$s AS t WHERE t.%3$s = b.%3$s))
                )
                SELECT (SELECT %3$s FROM batch ORDER BY %3$s DESC LIMIT 1),
                       (SELECT count(*) FROM batch)
                $q$, v_table.archive, v_table.relation, v_table.key, v_table.assignments)
               INTO v_last, v_seen
              USING v_last;
            COMMIT;
            IF v_seen < 1000 THEN
                EXECUTE format('SELECT count(*) FROM %s', v_table.archive) INTO v_left;
                EXIT WHEN v_left = 0;
                v_rounds := v_rounds + 1;
                IF v_rounds > 60 THEN
                    RAISE EXCEPTION '% archived rows of % could not be put back', v_left,
                        v_table.relation
                        USING ERRCODE = 'TD905',
                              DETAIL = 'Their rows were locked, by a transaction that has been '
                                       'open for a minute.',
                              HINT = 'When it has ended, deploy again: it goes on from there.';
                END IF;
                PERFORM pg_sleep(1);
                v_last := NULL;
            END IF;
        END LOOP;
        EXECUTE format('DROP TABLE %s', v_table.archive);
        COMMIT;
    END LOOP;
END;
$$;

DO $$
BEGIN
    IF to_regnamespace('vibelife_archive') IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_class
            WHERE relnamespace = to_regnamespace('vibelife_archive')
       ) THEN
        DROP SCHEMA vibelife_archive;
    END IF;
END;
$$;

RESET client_connection_check_interval;
