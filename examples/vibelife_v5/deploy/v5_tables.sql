-- Deploy vibelife_v5:v5_tables to pg
-- requires: pgtandem:event pgtandem:lock_tables (for its revert)
--
-- The eight new tables, empty. Columns, types, defaults, keys and uniqueness are the plan's; what
-- it left out are the indexes that a cascade from vibe_users needs.
--
-- Locks nothing that exists. The foreign keys to vibe_users are missing on purpose: they come with
-- v5_foreign_keys, after the backfills, which would else be checked row by row.
--
-- Needs the extension vector (pgvector). Where it is not there and this role may not create it, the
-- script ends with TD903, before it has made anything.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('vibelife.push_subscriptions') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    v_major text := current_setting('server_version_num')::integer / 10000;
    v_why   text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'vector') THEN
        BEGIN
            CREATE EXTENSION vector WITH SCHEMA public;
        EXCEPTION
            WHEN insufficient_privilege OR feature_not_supported OR undefined_file
              OR invalid_schema_name THEN
                v_why := SQLERRM;
        END;
    END IF;
    IF v_why IS NOT NULL THEN
        RAISE EXCEPTION 'the extension vector (pgvector) is not in this database'
            USING ERRCODE = 'TD903',
                  DETAIL = format('user_memories.embedding is a vector(1024). CREATE EXTENSION '
                                  'said: %s', v_why),
                  HINT = CASE
                      WHEN EXISTS (SELECT FROM pg_catalog.pg_available_extensions
                                    WHERE name = 'vector')
                      THEN ''
                      ELSE format('On the server: apt-get install postgresql-%s-pgvector (from '
                                  'apt.postgresql.org where Debian has none; the package is '
                                  'pgvector_%s for dnf). ', v_major, v_major)
                  END || format('As a superuser: psql -d %s -c "CREATE EXTENSION vector". Then '
                                'deploy again; nothing was made.', current_database());
    END IF;

    -- Wherever somebody has put it.
    PERFORM set_config('search_path',
                       format('pg_catalog, %s, pg_temp', x.extnamespace::regnamespace), true)
       FROM pg_catalog.pg_extension AS x
      WHERE x.extname = 'vector';
END;
$$;

CREATE TABLE vibelife.user_preferences (
    user_id                  uuid        PRIMARY KEY,
    preferred_persona        varchar(50) DEFAULT 'warm_friend',
    morning_oracle_enabled   boolean     DEFAULT true,
    morning_oracle_time      time        DEFAULT '07:00',
    midday_mirror_enabled    boolean     DEFAULT true,
    midday_mirror_time       time        DEFAULT '12:30',
    night_whisper_enabled    boolean     DEFAULT true,
    night_whisper_time       time        DEFAULT '21:30',
    allow_memory_storage     boolean     DEFAULT true,
    allow_insight_extraction boolean     DEFAULT true,
    timezone                 varchar(50) DEFAULT 'Asia/Shanghai',
    created_at               timestamp   DEFAULT now(),
    updated_at               timestamp   DEFAULT now()
);
COMMENT ON TABLE vibelife.user_preferences IS 'One row for each user who has chosen something.';
COMMENT ON COLUMN vibelife.user_preferences.user_id IS 'The user; goes with the user.';
COMMENT ON COLUMN vibelife.user_preferences.preferred_persona IS 'Who shall be talking.';
COMMENT ON COLUMN vibelife.user_preferences.morning_oracle_enabled IS
    'Whether a message is wanted in the morning.';
COMMENT ON COLUMN vibelife.user_preferences.morning_oracle_time IS 'At what time, in timezone.';
COMMENT ON COLUMN vibelife.user_preferences.midday_mirror_enabled IS
    'Whether a message is wanted at midday.';
COMMENT ON COLUMN vibelife.user_preferences.midday_mirror_time IS 'At what time, in timezone.';
COMMENT ON COLUMN vibelife.user_preferences.night_whisper_enabled IS
    'Whether a message is wanted at night.';
COMMENT ON COLUMN vibelife.user_preferences.night_whisper_time IS 'At what time, in timezone.';
COMMENT ON COLUMN vibelife.user_preferences.allow_memory_storage IS
    'Whether user_memories may be kept.';
COMMENT ON COLUMN vibelife.user_preferences.allow_insight_extraction IS
    'Whether conversations may be read for insights.';
COMMENT ON COLUMN vibelife.user_preferences.timezone IS 'Name of the time zone.';
COMMENT ON COLUMN vibelife.user_preferences.created_at IS 'When the row was made.';
COMMENT ON COLUMN vibelife.user_preferences.updated_at IS 'When the row was last written.';

CREATE TABLE vibelife.identity_prism (
    id                uuid      PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id           uuid      NOT NULL,
    core_essence      jsonb,
    inner_self        jsonb,
    outer_expression  jsonb,
    source_dimensions jsonb,
    version           integer   DEFAULT 1,
    generated_at      timestamp DEFAULT now(),
    UNIQUE (user_id, version)
);
COMMENT ON TABLE vibelife.identity_prism IS
    'One row for each version of a user''s portrait; has no past.';
COMMENT ON COLUMN vibelife.identity_prism.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.identity_prism.user_id IS 'The user; goes with the user.';
COMMENT ON COLUMN vibelife.identity_prism.core_essence IS 'The first of its three faces.';
COMMENT ON COLUMN vibelife.identity_prism.inner_self IS 'The second.';
COMMENT ON COLUMN vibelife.identity_prism.outer_expression IS 'The third.';
COMMENT ON COLUMN vibelife.identity_prism.source_dimensions IS
    'Which dimension_profiles it was made of.';
COMMENT ON COLUMN vibelife.identity_prism.version IS 'Counts up for each user.';
COMMENT ON COLUMN vibelife.identity_prism.generated_at IS 'When it was made.';

CREATE TABLE vibelife.dimension_profiles (
    id                 uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id            uuid        NOT NULL,
    dimension_type     varchar(20) NOT NULL,
    raw_data           jsonb       NOT NULL,
    interpretation     jsonb,
    core_contribution  jsonb,
    inner_contribution jsonb,
    outer_contribution jsonb,
    is_unlocked        boolean     DEFAULT false,
    unlocked_at        timestamp,
    created_at         timestamp   DEFAULT now(),
    updated_at         timestamp   DEFAULT now(),
    UNIQUE (user_id, dimension_type)
);
COMMENT ON TABLE vibelife.dimension_profiles IS
    'One row for each dimension of a user; those of user_profiles.profile_data come from there.';
COMMENT ON COLUMN vibelife.dimension_profiles.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.dimension_profiles.user_id IS 'The user; goes with the user.';
COMMENT ON COLUMN vibelife.dimension_profiles.dimension_type IS 'bazi, zodiac and others.';
COMMENT ON COLUMN vibelife.dimension_profiles.raw_data IS 'What is known.';
COMMENT ON COLUMN vibelife.dimension_profiles.interpretation IS 'What it is taken to mean.';
COMMENT ON COLUMN vibelife.dimension_profiles.core_contribution IS
    'What it adds to identity_prism.core_essence.';
COMMENT ON COLUMN vibelife.dimension_profiles.inner_contribution IS
    'What it adds to identity_prism.inner_self.';
COMMENT ON COLUMN vibelife.dimension_profiles.outer_contribution IS
    'What it adds to identity_prism.outer_expression.';
COMMENT ON COLUMN vibelife.dimension_profiles.is_unlocked IS 'Whether the user may see it.';
COMMENT ON COLUMN vibelife.dimension_profiles.unlocked_at IS 'Since when.';
COMMENT ON COLUMN vibelife.dimension_profiles.created_at IS 'When the row was made.';
COMMENT ON COLUMN vibelife.dimension_profiles.updated_at IS 'When the row was last written.';

CREATE TABLE vibelife.user_memories (
    id                     uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id                uuid             NOT NULL,
    memory_type            varchar(30)      NOT NULL,
    content                text             NOT NULL,
    context                jsonb,
    source_conversation_id uuid,
    source_message_id      uuid,
    extraction_confidence  double precision,
    event_time             timestamp,
    is_future_event        boolean          DEFAULT false,
    follow_up_date         date,
    is_active              boolean          DEFAULT true,
    importance_score       double precision DEFAULT 0.5,
    embedding              vector(1024),
    created_at             timestamp        DEFAULT now(),
    updated_at             timestamp        DEFAULT now()
);
CREATE INDEX user_memories_user_id_idx ON vibelife.user_memories (user_id);
COMMENT ON TABLE vibelife.user_memories IS
    'One row for each thing worth remembering of a user; has no past.';
COMMENT ON INDEX vibelife.user_memories_user_id_idx IS
    'A user''s memories, and the cascade from vibe_users.';
COMMENT ON COLUMN vibelife.user_memories.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.user_memories.user_id IS 'The user; goes with the user.';
COMMENT ON COLUMN vibelife.user_memories.memory_type IS 'What kind of thing it is.';
COMMENT ON COLUMN vibelife.user_memories.content IS 'The thing itself.';
COMMENT ON COLUMN vibelife.user_memories.context IS 'What was around it.';
COMMENT ON COLUMN vibelife.user_memories.source_conversation_id IS
    'Where it was said; no foreign key, so that it may outlive the conversation.';
COMMENT ON COLUMN vibelife.user_memories.source_message_id IS
    'With which message; no foreign key either.';
COMMENT ON COLUMN vibelife.user_memories.extraction_confidence IS 'How sure it is, 0 to 1.';
COMMENT ON COLUMN vibelife.user_memories.event_time IS 'When the thing happens or happened.';
COMMENT ON COLUMN vibelife.user_memories.is_future_event IS 'Whether it was still to come.';
COMMENT ON COLUMN vibelife.user_memories.follow_up_date IS 'When to ask about it.';
COMMENT ON COLUMN vibelife.user_memories.is_active IS 'Whether it still counts.';
COMMENT ON COLUMN vibelife.user_memories.importance_score IS 'How much it counts, 0 to 1.';
COMMENT ON COLUMN vibelife.user_memories.embedding IS 'Where it lies among all others.';
COMMENT ON COLUMN vibelife.user_memories.created_at IS 'When the row was made.';
COMMENT ON COLUMN vibelife.user_memories.updated_at IS 'When the row was last written.';

CREATE TABLE vibelife.life_events (
    id                   uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id              uuid         NOT NULL,
    event_type           varchar(30)  NOT NULL,
    title                varchar(255) NOT NULL,
    description          text,
    event_date           date         NOT NULL,
    event_time           time,
    is_all_day           boolean      DEFAULT true,
    pre_event_message    text,
    day_of_message       text,
    post_event_follow_up text,
    status               varchar(20)  DEFAULT 'upcoming',
    user_feedback        text,
    source               varchar(20)  DEFAULT 'user_input',
    source_memory_id     uuid         REFERENCES vibelife.user_memories (id),
    created_at           timestamp    DEFAULT now(),
    updated_at           timestamp    DEFAULT now()
);
CREATE INDEX life_events_user_id_idx ON vibelife.life_events (user_id);
CREATE INDEX life_events_source_memory_id_idx ON vibelife.life_events (source_memory_id);
COMMENT ON TABLE vibelife.life_events IS
    'One row for each event in a user''s life, past or coming; has no past.';
COMMENT ON CONSTRAINT life_events_source_memory_id_fkey ON vibelife.life_events IS
    'A memory stays as long as an event was made of it; both go with their user.';
COMMENT ON INDEX vibelife.life_events_user_id_idx IS
    'A user''s events, and the cascade from vibe_users.';
COMMENT ON INDEX vibelife.life_events_source_memory_id_idx IS
    'What was made of a memory: its foreign key asks when the memory is deleted.';
COMMENT ON COLUMN vibelife.life_events.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.life_events.user_id IS 'The user; goes with the user.';
COMMENT ON COLUMN vibelife.life_events.event_type IS 'What kind of event.';
COMMENT ON COLUMN vibelife.life_events.title IS 'What to call it.';
COMMENT ON COLUMN vibelife.life_events.description IS 'What else is known of it.';
COMMENT ON COLUMN vibelife.life_events.event_date IS 'The day.';
COMMENT ON COLUMN vibelife.life_events.event_time IS 'The time of day, where there is one.';
COMMENT ON COLUMN vibelife.life_events.is_all_day IS 'Whether it has none.';
COMMENT ON COLUMN vibelife.life_events.pre_event_message IS 'What to say before.';
COMMENT ON COLUMN vibelife.life_events.day_of_message IS 'What to say on the day.';
COMMENT ON COLUMN vibelife.life_events.post_event_follow_up IS 'What to ask after.';
COMMENT ON COLUMN vibelife.life_events.status IS 'Where the event is in its life.';
COMMENT ON COLUMN vibelife.life_events.user_feedback IS 'What the user said of it.';
COMMENT ON COLUMN vibelife.life_events.source IS 'Who entered it.';
COMMENT ON COLUMN vibelife.life_events.source_memory_id IS 'The memory that it was made of.';
COMMENT ON COLUMN vibelife.life_events.created_at IS 'When the row was made.';
COMMENT ON COLUMN vibelife.life_events.updated_at IS 'When the row was last written.';

CREATE TABLE vibelife.daily_rituals (
    id             uuid      PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id        uuid      NOT NULL,
    ritual_date    date      NOT NULL,
    morning_oracle jsonb,
    midday_mirror  jsonb,
    night_whisper  jsonb,
    daily_fortune  jsonb,
    created_at     timestamp DEFAULT now(),
    updated_at     timestamp DEFAULT now(),
    UNIQUE (user_id, ritual_date)
);
COMMENT ON TABLE vibelife.daily_rituals IS 'One row for each user and day; has no past.';
COMMENT ON COLUMN vibelife.daily_rituals.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.daily_rituals.user_id IS 'The user; goes with the user.';
COMMENT ON COLUMN vibelife.daily_rituals.ritual_date IS 'The day, in the user''s time zone.';
COMMENT ON COLUMN vibelife.daily_rituals.morning_oracle IS 'What was said in the morning.';
COMMENT ON COLUMN vibelife.daily_rituals.midday_mirror IS 'What was said at midday.';
COMMENT ON COLUMN vibelife.daily_rituals.night_whisper IS 'What was said at night.';
COMMENT ON COLUMN vibelife.daily_rituals.daily_fortune IS 'What the day was to bring.';
COMMENT ON COLUMN vibelife.daily_rituals.created_at IS 'When the row was made.';
COMMENT ON COLUMN vibelife.daily_rituals.updated_at IS 'When the row was last written.';

CREATE TABLE vibelife.user_entitlements (
    user_id                            uuid        PRIMARY KEY,
    current_tier                       varchar(10) DEFAULT 'L0',
    subscription_id                    uuid,
    daily_conversations_used           integer     DEFAULT 0,
    daily_conversations_reset_at       date        DEFAULT current_date,
    monthly_relationship_analyses_used integer     DEFAULT 0,
    monthly_reset_at                   date        DEFAULT date_trunc('month', current_date),
    unlocked_dimensions                text[]      DEFAULT ARRAY['bazi'],
    has_pdf_report                     boolean     DEFAULT false,
    has_identity_prism                 boolean     DEFAULT false,
    has_rituals                        boolean     DEFAULT false,
    tier_expires_at                    timestamp,
    updated_at                         timestamp   DEFAULT now()
);
COMMENT ON TABLE vibelife.user_entitlements IS
    'One row for each user: what was paid for, from subscriptions and payments, and what was used.';
COMMENT ON COLUMN vibelife.user_entitlements.user_id IS 'The user; goes with the user.';
COMMENT ON COLUMN vibelife.user_entitlements.current_tier IS
    'L3 for a year, L2 for a month, L1 for a single payment, else L0.';
COMMENT ON COLUMN vibelife.user_entitlements.subscription_id IS
    'The subscription that current_tier comes from; no foreign key.';
COMMENT ON COLUMN vibelife.user_entitlements.daily_conversations_used IS
    'Conversations since daily_conversations_reset_at.';
COMMENT ON COLUMN vibelife.user_entitlements.daily_conversations_reset_at IS
    'The day that daily_conversations_used counts.';
COMMENT ON COLUMN vibelife.user_entitlements.monthly_relationship_analyses_used IS
    'Analyses since monthly_reset_at.';
COMMENT ON COLUMN vibelife.user_entitlements.monthly_reset_at IS
    'First day of the month that monthly_relationship_analyses_used counts.';
COMMENT ON COLUMN vibelife.user_entitlements.unlocked_dimensions IS
    'The dimensions that the user may see.';
COMMENT ON COLUMN vibelife.user_entitlements.has_pdf_report IS 'Whether reports may be printed.';
COMMENT ON COLUMN vibelife.user_entitlements.has_identity_prism IS
    'Whether identity_prism may be seen.';
COMMENT ON COLUMN vibelife.user_entitlements.has_rituals IS 'Whether daily_rituals are made.';
COMMENT ON COLUMN vibelife.user_entitlements.tier_expires_at IS
    'Until when current_tier holds; NULL: no end is set.';
COMMENT ON COLUMN vibelife.user_entitlements.updated_at IS 'When the row was last written.';

CREATE TABLE vibelife.push_subscriptions (
    id                uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id           uuid         NOT NULL,
    channel           varchar(20)  NOT NULL,
    device_id         varchar(255),
    subscription_info jsonb        NOT NULL,
    is_active         boolean      DEFAULT true,
    last_used_at      timestamp,
    failure_count     integer      DEFAULT 0,
    created_at        timestamp    DEFAULT now(),
    updated_at        timestamp    DEFAULT now(),
    UNIQUE (user_id, channel, device_id)
);
COMMENT ON TABLE vibelife.push_subscriptions IS
    'One row for each device of a user that takes messages; has no past.';
COMMENT ON COLUMN vibelife.push_subscriptions.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.push_subscriptions.user_id IS 'The user; goes with the user.';
COMMENT ON COLUMN vibelife.push_subscriptions.channel IS 'By which way messages go.';
COMMENT ON COLUMN vibelife.push_subscriptions.device_id IS
    'To which device; NULL where the channel has none (and then it is not unique).';
COMMENT ON COLUMN vibelife.push_subscriptions.subscription_info IS
    'Address and keys, as the channel wants them.';
COMMENT ON COLUMN vibelife.push_subscriptions.is_active IS 'Whether to send.';
COMMENT ON COLUMN vibelife.push_subscriptions.last_used_at IS 'When something was last sent.';
COMMENT ON COLUMN vibelife.push_subscriptions.failure_count IS 'Failures since then.';
COMMENT ON COLUMN vibelife.push_subscriptions.created_at IS 'When the row was made.';
COMMENT ON COLUMN vibelife.push_subscriptions.updated_at IS 'When the row was last written.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE
           ON vibelife.user_preferences, vibelife.identity_prism, vibelife.dimension_profiles,
              vibelife.user_memories, vibelife.life_events, vibelife.daily_rituals,
              vibelife.user_entitlements, vibelife.push_subscriptions
           TO new_app;
    END IF;
END;
$$;

COMMIT;
