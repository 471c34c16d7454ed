-- Tests vibelife_v5:v5_tables. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(30);

-- Every column of the plan (2.1), in its order, with its type, default and NOT NULL.
SELECT bag_eq(
    $t$ SELECT c.relname::text, a.attnum::integer, a.attname::text,
               regexp_replace(format_type(a.atttypid, a.atttypmod), '^.*\.vector', 'vector'),
               pg_get_expr(d.adbin, d.adrelid), a.attnotnull
          FROM pg_catalog.pg_class AS c
          JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE c.relnamespace = 'vibelife'::regnamespace
           AND c.relkind = 'r'
           AND c.relname NOT IN ('vibe_users', 'conversations', 'messages', 'subscription_plans',
                                 'subscriptions', 'payments', 'user_profiles') $t$,
    $t$ SELECT * FROM (VALUES
        ('user_preferences', 1, 'user_id', 'uuid', NULL, true),
        ('user_preferences', 2, 'preferred_persona', 'character varying(50)',
         '''warm_friend''::character varying', false),
        ('user_preferences', 3, 'morning_oracle_enabled', 'boolean', 'true', false),
        ('user_preferences', 4, 'morning_oracle_time', 'time without time zone',
         '''07:00:00''::time without time zone', false),
        ('user_preferences', 5, 'midday_mirror_enabled', 'boolean', 'true', false),
        ('user_preferences', 6, 'midday_mirror_time', 'time without time zone',
         '''12:30:00''::time without time zone', false),
        ('user_preferences', 7, 'night_whisper_enabled', 'boolean', 'true', false),
        ('user_preferences', 8, 'night_whisper_time', 'time without time zone',
         '''21:30:00''::time without time zone', false),
        ('user_preferences', 9, 'allow_memory_storage', 'boolean', 'true', false),
        ('user_preferences', 10, 'allow_insight_extraction', 'boolean', 'true', false),
        ('user_preferences', 11, 'timezone', 'character varying(50)',
         '''Asia/Shanghai''::character varying', false),
        ('user_preferences', 12, 'created_at', 'timestamp without time zone', 'now()', false),
        ('user_preferences', 13, 'updated_at', 'timestamp without time zone', 'now()', false),
        ('identity_prism', 1, 'id', 'uuid', 'gen_random_uuid()', true),
        ('identity_prism', 2, 'user_id', 'uuid', NULL, true),
        ('identity_prism', 3, 'core_essence', 'jsonb', NULL, false),
        ('identity_prism', 4, 'inner_self', 'jsonb', NULL, false),
        ('identity_prism', 5, 'outer_expression', 'jsonb', NULL, false),
        ('identity_prism', 6, 'source_dimensions', 'jsonb', NULL, false),
        ('identity_prism', 7, 'version', 'integer', '1', false),
        ('identity_prism', 8, 'generated_at', 'timestamp without time zone', 'now()', false),
        ('dimension_profiles', 1, 'id', 'uuid', 'gen_random_uuid()', true),
        ('dimension_profiles', 2, 'user_id', 'uuid', NULL, true),
        ('dimension_profiles', 3, 'dimension_type', 'character varying(20)', NULL, true),
        ('dimension_profiles', 4, 'raw_data', 'jsonb', NULL, true),
        ('dimension_profiles', 5, 'interpretation', 'jsonb', NULL, false),
        ('dimension_profiles', 6, 'core_contribution', 'jsonb', NULL, false),
        ('dimension_profiles', 7, 'inner_contribution', 'jsonb', NULL, false),
        ('dimension_profiles', 8, 'outer_contribution', 'jsonb', NULL, false),
        ('dimension_profiles', 9, 'is_unlocked', 'boolean', 'false', false),
        ('dimension_profiles', 10, 'unlocked_at', 'timestamp without time zone', NULL, false),
        ('dimension_profiles', 11, 'created_at', 'timestamp without time zone', 'now()', false),
        ('dimension_profiles', 12, 'updated_at', 'timestamp without time zone', 'now()', false),
        ('user_memories', 1, 'id', 'uuid', 'gen_random_uuid()', true),
        ('user_memories', 2, 'user_id', 'uuid', NULL, true),
        ('user_memories', 3, 'memory_type', 'character varying(30)', NULL, true),
        ('user_memories', 4, 'content', 'text', NULL, true),
        ('user_memories', 5, 'context', 'jsonb', NULL, false),
        ('user_memories', 6, 'source_conversation_id', 'uuid', NULL, false),
        ('user_memories', 7, 'source_message_id', 'uuid', NULL, false),
        ('user_memories', 8, 'extraction_confidence', 'double precision', NULL, false),
        ('user_memories', 9, 'event_time', 'timestamp without time zone', NULL, false),
        ('user_memories', 10, 'is_future_event', 'boolean', 'false', false),
        ('user_memories', 11, 'follow_up_date', 'date', NULL, false),
        ('user_memories', 12, 'is_active', 'boolean', 'true', false),
        ('user_memories', 13, 'importance_score', 'double precision', '0.5', false),
        ('user_memories', 14, 'embedding', 'vector(1024)', NULL, false),
        ('user_memories', 15, 'created_at', 'timestamp without time zone', 'now()', false),
        ('user_memories', 16, 'updated_at', 'timestamp without time zone', 'now()', false),
        ('life_events', 1, 'id', 'uuid', 'gen_random_uuid()', true),
        ('life_events', 2, 'user_id', 'uuid', NULL, true),
        ('life_events', 3, 'event_type', 'character varying(30)', NULL, true),
        ('life_events', 4, 'title', 'character varying(255)', NULL, true),
        ('life_events', 5, 'description', 'text', NULL, false),
        ('life_events', 6, 'event_date', 'date', NULL, true),
        ('life_events', 7, 'event_time', 'time without time zone', NULL, false),
        ('life_events', 8, 'is_all_day', 'boolean', 'true', false),
        ('life_events', 9, 'pre_event_message', 'text', NULL, false),
        ('life_events', 10, 'day_of_message', 'text', NULL, false),
        ('life_events', 11, 'post_event_follow_up', 'text', NULL, false),
        ('life_events', 12, 'status', 'character varying(20)',
         '''upcoming''::character varying', false),
        ('life_events', 13, 'user_feedback', 'text', NULL, false),
        ('life_events', 14, 'source', 'character varying(20)',
         '''user_input''::character varying', false),
        ('life_events', 15, 'source_memory_id', 'uuid', NULL, false),
        ('life_events', 16, 'created_at', 'timestamp without time zone', 'now()', false),
        ('life_events', 17, 'updated_at', 'timestamp without time zone', 'now()', false),
        ('daily_rituals', 1, 'id', 'uuid', 'gen_random_uuid()', true),
        ('daily_rituals', 2, 'user_id', 'uuid', NULL, true),
        ('daily_rituals', 3, 'ritual_date', 'date', NULL, true),
        ('daily_rituals', 4, 'morning_oracle', 'jsonb', NULL, false),
        ('daily_rituals', 5, 'midday_mirror', 'jsonb', NULL, false),
        ('daily_rituals', 6, 'night_whisper', 'jsonb', NULL, false),
        ('daily_rituals', 7, 'daily_fortune', 'jsonb', NULL, false),
        ('daily_rituals', 8, 'created_at', 'timestamp without time zone', 'now()', false),
        ('daily_rituals', 9, 'updated_at', 'timestamp without time zone', 'now()', false),
        ('user_entitlements', 1, 'user_id', 'uuid', NULL, true),
        ('user_entitlements', 2, 'current_tier', 'character varying(10)',
         '''L0''::character varying', false),
        ('user_entitlements', 3, 'subscription_id', 'uuid', NULL, false),
        ('user_entitlements', 4, 'daily_conversations_used', 'integer', '0', false),
        ('user_entitlements', 5, 'daily_conversations_reset_at', 'date', 'CURRENT_DATE', false),
        ('user_entitlements', 6, 'monthly_relationship_analyses_used', 'integer', '0', false),
        ('user_entitlements', 7, 'monthly_reset_at', 'date',
         'date_trunc(''month''::text, (CURRENT_DATE)::timestamp with time zone)', false),
        ('user_entitlements', 8, 'unlocked_dimensions', 'text[]', 'ARRAY[''bazi''::text]', false),
        ('user_entitlements', 9, 'has_pdf_report', 'boolean', 'false', false),
        ('user_entitlements', 10, 'has_identity_prism', 'boolean', 'false', false),
        ('user_entitlements', 11, 'has_rituals', 'boolean', 'false', false),
        ('user_entitlements', 12, 'tier_expires_at', 'timestamp without time zone', NULL, false),
        ('user_entitlements', 13, 'updated_at', 'timestamp without time zone', 'now()', false),
        ('push_subscriptions', 1, 'id', 'uuid', 'gen_random_uuid()', true),
        ('push_subscriptions', 2, 'user_id', 'uuid', NULL, true),
        ('push_subscriptions', 3, 'channel', 'character varying(20)', NULL, true),
        ('push_subscriptions', 4, 'device_id', 'character varying(255)', NULL, false),
        ('push_subscriptions', 5, 'subscription_info', 'jsonb', NULL, true),
        ('push_subscriptions', 6, 'is_active', 'boolean', 'true', false),
        ('push_subscriptions', 7, 'last_used_at', 'timestamp without time zone', NULL, false),
        ('push_subscriptions', 8, 'failure_count', 'integer', '0', false),
        ('push_subscriptions', 9, 'created_at', 'timestamp without time zone', 'now()', false),
        ('push_subscriptions', 10, 'updated_at', 'timestamp without time zone', 'now()', false)
        ) AS c (table_name, number, name, type, default_value, required) $t$,
    'columns, types, defaults and NOT NULL are the plan''s'
);

SELECT col_is_pk('vibelife', t.name, t.key, format('%s is the key of %s', t.key, t.name))
  FROM (VALUES ('user_preferences', 'user_id'), ('identity_prism', 'id'),
               ('dimension_profiles', 'id'), ('user_memories', 'id'), ('life_events', 'id'),
               ('daily_rituals', 'id'), ('user_entitlements', 'user_id'),
               ('push_subscriptions', 'id')) AS t (name, key);
SELECT col_is_unique('vibelife', 'identity_prism', ARRAY['user_id', 'version']);
SELECT col_is_unique('vibelife', 'dimension_profiles', ARRAY['user_id', 'dimension_type']);
SELECT col_is_unique('vibelife', 'daily_rituals', ARRAY['user_id', 'ritual_date']);
SELECT col_is_unique('vibelife', 'push_subscriptions', ARRAY['user_id', 'channel', 'device_id']);
SELECT fk_ok('vibelife', 'life_events', 'source_memory_id', 'vibelife', 'user_memories', 'id');
SELECT is_empty(
    $$ SELECT conname FROM pg_catalog.pg_constraint
        WHERE confrelid = 'vibelife.vibe_users'::regclass AND conname LIKE '%\_user\_fkey' $$,
    'no foreign key leads to vibe_users yet'
);
SELECT is_empty(
    $$ SELECT attrelid::regclass, attname
         FROM pg_catalog.pg_attribute AS a
         JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'vibelife'::regnamespace
          AND c.relkind = 'r'
          AND a.attnum > 0
          AND NOT a.attisdropped
          AND col_description(a.attrelid, a.attnum) IS NULL $$,
    'every column has a comment'
);
SELECT is_empty(
    $$ SELECT oid::regclass
         FROM pg_catalog.pg_class
        WHERE relnamespace = 'vibelife'::regnamespace
          AND relkind = 'r'
          AND obj_description(oid, 'pg_class') IS NULL $$,
    'every table has a comment'
);

-- Where the role exists, it may read and write, and no more.
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app')
           THEN table_privs_are(
                    'vibelife'::name, t.name::name, 'new_app'::name,
                    ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']::name[]
                )
           ELSE skip('no role new_app')
       END
  FROM (VALUES ('user_preferences'), ('identity_prism'), ('dimension_profiles'), ('user_memories'),
               ('life_events'), ('daily_rituals'), ('user_entitlements'), ('push_subscriptions'))
    AS t (name);

-- What rows may look like.
SELECT lives_ok(
    $$ INSERT INTO vibelife.user_entitlements (user_id)
       VALUES ('00000000-0000-4000-8000-000000000001') $$,
    'an entitlement needs a user alone'
);
SELECT results_eq(
    $$ SELECT current_tier::text, unlocked_dimensions, monthly_reset_at
         FROM vibelife.user_entitlements
        WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    $$ VALUES ('L0', ARRAY['bazi'], date_trunc('month', current_date)::date) $$,
    'and has the least of everything'
);
INSERT INTO vibelife.user_memories (id, user_id, memory_type, content, embedding)
VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'fact',
        'likes tea', array_fill(0.5::real, ARRAY[1024])::vector);
INSERT INTO vibelife.life_events (user_id, event_type, title, event_date, source_memory_id)
VALUES ('00000000-0000-4000-8000-000000000001', 'party', 'Tea', '2026-12-01',
        '00000000-0000-4000-8000-000000000002');
SELECT throws_ok(
    $$ UPDATE vibelife.user_memories SET embedding = '[1,2,3]'
        WHERE id = '00000000-0000-4000-8000-000000000002' $$,
    '22000', NULL, 'an embedding has 1024 dimensions'
);
SELECT throws_ok(
    $$ DELETE FROM vibelife.user_memories WHERE id = '00000000-0000-4000-8000-000000000002' $$,
    '23503', NULL, 'a memory that an event was made of stays'
);
SELECT throws_ok(
    $$ INSERT INTO vibelife.dimension_profiles (user_id, dimension_type, raw_data)
       VALUES ('00000000-0000-4000-8000-000000000001', 'bazi', '{}'),
              ('00000000-0000-4000-8000-000000000001', 'bazi', '{}') $$,
    '23505', NULL, 'a dimension of a user is there once'
);

SELECT * FROM finish();

ROLLBACK;
