-- Tests vibelife_v5:v5_columns. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(10);

-- The twelve columns of the plan (2.2).
SELECT bag_eq(
    $t$ SELECT format('%s.%s', a.attrelid::regclass, a.attname) AS name,
               format_type(a.atttypid, a.atttypmod) AS type,
               pg_get_expr(d.adbin, d.adrelid) AS default_value, a.attnotnull AS required
          FROM pg_catalog.pg_attribute AS a
          LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid IN ('vibelife.vibe_users'::regclass, 'vibelife.conversations'::regclass,
                              'vibelife.messages'::regclass,
                              'vibelife.subscription_plans'::regclass)
           AND a.attnum > 0
           AND NOT a.attisdropped
           AND a.attname NOT IN ('vibe_id', 'email', 'status', 'created_at', 'updated_at', 'id',
                                 'user_id', 'title', 'conversation_id', 'role', 'content', 'name',
                                 'plan_type', 'price') $t$,
    $t$ SELECT 'vibelife.' || name AS name, type, default_value, false AS required
          FROM (VALUES
        ('conversations.context_snapshot', 'jsonb', NULL),
        ('conversations.dimensions_used', 'text[]', 'ARRAY[]::text[]'),
        ('conversations.emotional_arc', 'jsonb', NULL),
        ('messages.dimensions_referenced', 'text[]', NULL),
        ('messages.emotional_state', 'jsonb', NULL),
        ('messages.extracted_memories', 'uuid[]', NULL),
        ('subscription_plans.tier', 'character varying(10)', NULL),
        ('vibe_users.consecutive_active_days', 'integer', '0'),
        ('vibe_users.journey_stage', 'character varying(20)', '''encounter''::character varying'),
        ('vibe_users.journey_started_at', 'timestamp without time zone', NULL),
        ('vibe_users.last_active_at', 'timestamp without time zone', NULL),
        ('vibe_users.total_conversations', 'integer', '0')
        ) AS c (name, type, default_value) $t$,
    'columns, types and defaults are the plan''s'
);

-- PostgreSQL noted the defaults for the rows that were there; a rewrite would have put them into
-- the rows, and forgotten this.
SELECT bag_eq(
    $$ SELECT attname::text, attmissingval::text
         FROM pg_catalog.pg_attribute
        WHERE attrelid IN ('vibelife.vibe_users'::regclass, 'vibelife.conversations'::regclass)
          AND atthasmissing $$,
    $$ VALUES ('consecutive_active_days', '{0}'), ('dimensions_used', '{"{}"}'),
              ('journey_stage', '{encounter}'), ('total_conversations', '{0}') $$,
    'no table was rewritten'
);
SELECT is_empty(
    $$ SELECT FROM vibelife.vibe_users
        WHERE (journey_stage, consecutive_active_days, total_conversations)
              IS DISTINCT FROM ('encounter', 0, 0) $$,
    'and yet each user has the defaults'
);
SELECT is_empty(
    $$ SELECT attname
         FROM pg_catalog.pg_attribute
        WHERE attrelid IN ('vibelife.vibe_users'::regclass, 'vibelife.conversations'::regclass,
                           'vibelife.messages'::regclass, 'vibelife.subscription_plans'::regclass)
          AND attnum > 0
          AND NOT attisdropped
          AND col_description(attrelid, attnum) IS NULL $$,
    'every column has a comment'
);
SELECT hasnt_schema('vibelife_archive', 'nothing is left in an archive');
SELECT is_empty(
    $$ SELECT tgname FROM pg_catalog.pg_trigger WHERE tgname LIKE 'vibelife\_archive%' $$,
    'and no trigger either'
);

-- The old application knows nothing of the columns.
SELECT lives_ok(
    $$ INSERT INTO vibelife.vibe_users (vibe_id) VALUES ('00000000-0000-4000-8000-000000000001') $$,
    'a user of the old application'
);
SELECT lives_ok(
    $$ INSERT INTO vibelife.conversations (id, user_id)
       VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001') $$,
    'its conversation'
);
SELECT lives_ok(
    $$ INSERT INTO vibelife.messages (conversation_id, role, content)
       VALUES ('00000000-0000-4000-8000-000000000002', 'user', '') $$,
    'its message'
);
SELECT lives_ok(
    $$ INSERT INTO vibelife.subscription_plans (name, plan_type, price)
       VALUES ('v5_columns', 'monthly', 1) $$,
    'its plan'
);

SELECT * FROM finish();

ROLLBACK;
