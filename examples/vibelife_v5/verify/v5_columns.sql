-- Verify vibelife_v5:v5_columns on pg
--
-- Raises where a column is missing, or is there with another type or default, or where archived
-- values are not put back.

DO $$
DECLARE
    v_wrong text;
BEGIN
    SELECT string_agg(format('%s.%s', c.table_name, c.name), ', ')
      INTO v_wrong
      FROM (VALUES
        ('vibe_users', 'journey_stage', 'character varying(20)', $d$'encounter'$d$),
        ('vibe_users', 'journey_started_at', 'timestamp without time zone', NULL),
        ('vibe_users', 'last_active_at', 'timestamp without time zone', NULL),
        ('vibe_users', 'consecutive_active_days', 'integer', '0'),
        ('vibe_users', 'total_conversations', 'integer', '0'),
        ('conversations', 'context_snapshot', 'jsonb', NULL),
        ('conversations', 'dimensions_used', 'text[]', 'ARRAY[]'),
        ('conversations', 'emotional_arc', 'jsonb', NULL),
        ('messages', 'extracted_memories', 'uuid[]', NULL),
        ('messages', 'emotional_state', 'jsonb', NULL),
        ('messages', 'dimensions_referenced', 'text[]', NULL),
        ('subscription_plans', 'tier', 'character varying(10)', NULL)
      ) AS c (table_name, name, type, default_value)
     WHERE NOT EXISTS (
               SELECT
                 FROM pg_catalog.pg_attribute AS a
                 LEFT JOIN pg_catalog.pg_attrdef AS d
                   ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.attrelid = format('vibelife.%I', c.table_name)::regclass
                  AND a.attname = c.name
                  AND format_type(a.atttypid, a.atttypmod) = c.type
                  AND split_part(pg_get_expr(d.adbin, d.adrelid), '::', 1)
                      IS NOT DISTINCT FROM c.default_value
           );
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'columns are missing, or not as the plan has them'
            USING ERRCODE = 'undefined_column', DETAIL = v_wrong;
    END IF;

    IF to_regclass('vibelife_archive.noted') IS NOT NULL THEN
        RAISE EXCEPTION 'a revert of v5_columns was begun and not finished'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Revert again; or give it up: DROP SCHEMA vibelife_archive CASCADE.';
    END IF;
    IF to_regclass('vibelife_archive.vibe_users') IS NOT NULL
       OR to_regclass('vibelife_archive.conversations') IS NOT NULL
       OR to_regclass('vibelife_archive.messages') IS NOT NULL
       OR to_regclass('vibelife_archive.subscription_plans') IS NOT NULL THEN
        RAISE EXCEPTION 'archived values are not put back yet'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Deploy the change v5_columns again: it goes on where it stopped.';
    END IF;
END;
$$;
