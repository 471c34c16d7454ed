-- Revert vibelife_v5:v5_columns from pg
--
-- The data rollback: the twelve columns leave the old tables. What somebody has written to them is
-- archived by key in the schema vibelife_archive (rows that hold nothing but the defaults are not),
-- and the next deploy of this change puts it back. The new tables and their rows stay.
--
-- Three steps, so that the long part holds no lock that anybody waits for:
--
--   1. Triggers note the keys of what is written from now on. SHARE ROW EXCLUSIVE on the four
--      tables for some milliseconds, in bounded tries: writers wait, readers do not.
--   2. The archive is filled: one scan of each table, beside readers and writers.
--   3. ACCESS EXCLUSIVE on the four tables, in bounded tries: the noted rows are archived again,
--      the columns and the triggers go. Milliseconds, unless very much was written meanwhile.
--
-- Step 3 is one transaction: the columns are there with their values, or the archive is complete.
-- Killed before it, or where it cannot get its locks (TD004), run it again: it begins anew.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT NOT EXISTS (
    SELECT
      FROM pg_catalog.pg_attribute
     WHERE attrelid = to_regclass('vibelife.subscription_plans')
       AND attname = 'tier'
) AS done \gset
\if :done
    \quit
\endif

SET client_min_messages = warning;
SET client_connection_check_interval = '2s';

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

-- What leaves: of each table its key, the columns, and whether a row holds more than the defaults.
CREATE TEMPORARY VIEW leaving AS
SELECT t.name, t.key, t.columns,
       format('vibelife.%I', t.name)::regclass AS relation,
       (SELECT string_agg(quote_ident(c), ', ' ORDER BY n)
          FROM unnest(ARRAY[t.key] || t.columns) WITH ORDINALITY AS u (c, n)) AS list,
       (SELECT string_agg(
                   format('%%1$s.%I IS DISTINCT FROM %s', a.attname,
                          coalesce(replace(pg_get_expr(d.adbin, d.adrelid), '%', '%%'), 'NULL')),
                   ' OR ' ORDER BY a.attnum
               )
          FROM pg_catalog.pg_attribute AS a
          LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = format('vibelife.%I', t.name)::regclass
           AND a.attname = ANY (t.columns)) AS written
  FROM (VALUES
    ('vibe_users', 'vibe_id',
     '{journey_stage,journey_started_at,last_active_at,consecutive_active_days,'
     'total_conversations}'::text[]),
    ('conversations', 'id', '{context_snapshot,dimensions_used,emotional_arc}'),
    ('messages', 'id', '{extracted_memories,emotional_state,dimensions_referenced}'),
    ('subscription_plans', 'id', '{tier}')
  ) AS t (name, key, columns);

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(ARRAY(SELECT l.relation FROM pg_temp.leaving AS l),
                                 'SHARE ROW EXCLUSIVE');
    -- An archive without this table is one that a deploy has not put back to its end.
    IF to_regclass('vibelife_archive.noted') IS NULL
       AND EXISTS (SELECT FROM pg_temp.leaving AS l
                    WHERE to_regclass(format('vibelife_archive.%I', l.name)) IS NOT NULL) THEN
        RAISE EXCEPTION 'the values of an earlier revert are not put back yet'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Deploy the change v5_columns again, then revert it.';
    END IF;
END;
$$;

CREATE SCHEMA IF NOT EXISTS vibelife_archive;
COMMENT ON SCHEMA vibelife_archive IS
    'What the columns of version 5 held when they were rolled back; deploying v5_columns puts it '
    'back.';

DROP TABLE IF EXISTS vibelife_archive.noted;
CREATE TABLE vibelife_archive.noted (
    name text NOT NULL,
    key  uuid NOT NULL
);
COMMENT ON TABLE vibelife_archive.noted IS
    'Keys of rows written while they are archived: look at them again. Goes with the columns.';
COMMENT ON COLUMN vibelife_archive.noted.name IS 'The table.';
COMMENT ON COLUMN vibelife_archive.noted.key IS 'The row.';

-- SECURITY DEFINER: whoever writes the tables has no right on the archive, and needs none.
CREATE OR REPLACE FUNCTION vibelife_archive.note() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO vibelife_archive.noted (name, key)
        VALUES (TG_TABLE_NAME, (to_jsonb(OLD) ->> TG_ARGV[0])::uuid);
    END IF;
    INSERT INTO vibelife_archive.noted (name, key)
    VALUES (TG_TABLE_NAME, (to_jsonb(NEW) ->> TG_ARGV[0])::uuid);
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION vibelife_archive.note() IS
    'Trigger while the columns of version 5 are archived: notes the key of the row.';
REVOKE ALL ON FUNCTION vibelife_archive.note() FROM PUBLIC;

DO $$
DECLARE
    v_table record;
BEGIN
    FOR v_table IN SELECT * FROM pg_temp.leaving LOOP
        EXECUTE format('DROP TABLE IF EXISTS vibelife_archive.%I', v_table.name);
        EXECUTE format('CREATE TABLE vibelife_archive.%I AS SELECT %s FROM %s WITH NO DATA',
                       v_table.name, v_table.list, v_table.relation);
        EXECUTE format('ALTER TABLE vibelife_archive.%I ADD PRIMARY KEY (%I)', v_table.name,
                       v_table.key);
        EXECUTE format('COMMENT ON TABLE vibelife_archive.%I IS %L', v_table.name,
                       format('What the columns of version 5 held in %s, by its key.',
                              v_table.relation));
        EXECUTE format('CREATE OR REPLACE TRIGGER vibelife_archive_insert AFTER INSERT ON %s FOR '
                       'EACH ROW WHEN (%s) EXECUTE FUNCTION vibelife_archive.note(%L)',
                       v_table.relation, format(v_table.written, 'NEW'), v_table.key);
        EXECUTE format('CREATE OR REPLACE TRIGGER vibelife_archive_update AFTER UPDATE ON %s FOR '
                       'EACH ROW WHEN ((%s) IS DISTINCT FROM (%s)) EXECUTE FUNCTION '
                       'vibelife_archive.note(%L)',
                       v_table.relation,
                       (SELECT string_agg(format('OLD.%I', c), ', ')
                          FROM unnest(v_table.key || v_table.columns) AS c),
                       (SELECT string_agg(format('NEW.%I', c), ', ')
                          FROM unnest(v_table.key || v_table.columns) AS c),
                       v_table.key);
        -- Also for what logical replication writes.
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER vibelife_archive_insert, '
                       'ENABLE ALWAYS TRIGGER vibelife_archive_update', v_table.relation);
    END LOOP;
END;
$$;

COMMIT;

BEGIN ISOLATION LEVEL READ COMMITTED;

DO $$
DECLARE
    v_table record;
BEGIN
    FOR v_table IN SELECT * FROM pg_temp.leaving LOOP
        EXECUTE format('INSERT INTO vibelife_archive.%I SELECT %s FROM %s AS t WHERE %s',
                       v_table.name, v_table.list, v_table.relation, format(v_table.written, 't'));
    END LOOP;
END;
$$;

COMMIT;

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    v_table record;
BEGIN
    PERFORM pgtandem.lock_tables(ARRAY(SELECT l.relation FROM pg_temp.leaving AS l),
                                 'ACCESS EXCLUSIVE');
    FOR v_table IN SELECT * FROM pg_temp.leaving LOOP
        EXECUTE format('DELETE FROM vibelife_archive.%I WHERE %I IN (SELECT key FROM '
                       'vibelife_archive.noted WHERE name = %L)',
                       v_table.name, v_table.key, v_table.name);
        EXECUTE format('INSERT INTO vibelife_archive.%I SELECT %s FROM %s AS t WHERE t.%I IN '
                       '(SELECT key FROM vibelife_archive.noted WHERE name = %L) AND (%s)',
                       v_table.name, v_table.list, v_table.relation, v_table.key, v_table.name,
                       format(v_table.written, 't'));
        EXECUTE format('DROP TRIGGER vibelife_archive_insert ON %s', v_table.relation);
        EXECUTE format('DROP TRIGGER vibelife_archive_update ON %s', v_table.relation);
    END LOOP;
END;
$$;

DROP FUNCTION vibelife_archive.note();
DROP TABLE vibelife_archive.noted;

-- Where nobody has written anything, nothing is left behind.
DO $$
DECLARE
    v_table   record;
    v_written boolean;
BEGIN
    FOR v_table IN SELECT * FROM pg_temp.leaving LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM vibelife_archive.%I)', v_table.name)
           INTO v_written;
        IF NOT v_written THEN
            EXECUTE format('DROP TABLE vibelife_archive.%I', v_table.name);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_class
                    WHERE relnamespace = 'vibelife_archive'::regnamespace) THEN
        DROP SCHEMA vibelife_archive;
    END IF;
END;
$$;

ALTER TABLE vibelife.vibe_users
    DROP COLUMN journey_stage,
    DROP COLUMN journey_started_at,
    DROP COLUMN last_active_at,
    DROP COLUMN consecutive_active_days,
    DROP COLUMN total_conversations;
ALTER TABLE vibelife.conversations
    DROP COLUMN context_snapshot,
    DROP COLUMN dimensions_used,
    DROP COLUMN emotional_arc;
ALTER TABLE vibelife.messages
    DROP COLUMN extracted_memories,
    DROP COLUMN emotional_state,
    DROP COLUMN dimensions_referenced;
ALTER TABLE vibelife.subscription_plans
    DROP COLUMN tier;

COMMIT;

DROP VIEW pg_temp.leaving;
RESET client_connection_check_interval;
RESET client_min_messages;
