-- The system as it was before version 5: users, their conversations, what they pay, and a document
-- with what the fortune tellers know of them. It stands for a database that you already have.
--
--     psql -f legacy.sql
--
-- Runs as an ordinary owner who may create a schema in the database; grants to the roles old_app
-- and new_app where they exist (roles.sql): version 4 and version 5 of one application, which work
-- on the same tables side by side. Fails, and changes nothing, where the schema vibelife is there
-- already.

\set ON_ERROR_STOP on

BEGIN;

CREATE SCHEMA vibelife;
COMMENT ON SCHEMA vibelife IS 'Users, conversations, subscriptions and payments.';

-- All times are timestamps without a zone, in UTC, as the application has always written them.
CREATE TABLE vibelife.vibe_users (
    vibe_id    uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    email      varchar(255) UNIQUE,
    status     varchar(20)  NOT NULL DEFAULT 'active'
        CONSTRAINT vibe_users_status_check
        CHECK (status IN ('active', 'guest', 'suspended', 'deleted')),
    created_at timestamp    NOT NULL DEFAULT now(),
    updated_at timestamp    NOT NULL DEFAULT now()
);
COMMENT ON TABLE vibelife.vibe_users IS 'One row for each person; gets columns in version 5.';
COMMENT ON CONSTRAINT vibe_users_status_check ON vibelife.vibe_users IS
    'What the application knows.';
COMMENT ON COLUMN vibelife.vibe_users.vibe_id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.vibe_users.email IS
    'For signing in; unique as written, NULL for a guest.';
COMMENT ON COLUMN vibelife.vibe_users.status IS 'What the account may do.';
COMMENT ON COLUMN vibelife.vibe_users.created_at IS 'When the person signed up.';
COMMENT ON COLUMN vibelife.vibe_users.updated_at IS 'When the application last wrote the row.';

CREATE TABLE vibelife.conversations (
    id         uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id    uuid         NOT NULL
        REFERENCES vibelife.vibe_users (vibe_id) ON DELETE CASCADE,
    title      varchar(255),
    created_at timestamp    NOT NULL DEFAULT now()
);
CREATE INDEX conversations_user_id_idx ON vibelife.conversations (user_id);
COMMENT ON TABLE vibelife.conversations IS
    'One row for each conversation of a user; gets columns in version 5.';
COMMENT ON INDEX vibelife.conversations_user_id_idx IS
    'A user''s conversations, and the cascade from vibe_users.';
COMMENT ON COLUMN vibelife.conversations.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.conversations.user_id IS 'Whose it is; goes with its user.';
COMMENT ON COLUMN vibelife.conversations.title IS 'Made from the first message; NULL until then.';
COMMENT ON COLUMN vibelife.conversations.created_at IS 'When it was begun.';

CREATE TABLE vibelife.messages (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    conversation_id uuid        NOT NULL
        REFERENCES vibelife.conversations (id) ON DELETE CASCADE,
    role            varchar(20) NOT NULL
        CONSTRAINT messages_role_check CHECK (role IN ('user', 'assistant')),
    content         text        NOT NULL,
    created_at      timestamp   NOT NULL DEFAULT now()
);
CREATE INDEX messages_conversation_id_idx ON vibelife.messages (conversation_id, created_at);
COMMENT ON TABLE vibelife.messages IS
    'One row for each message, of either side; gets columns in version 5.';
COMMENT ON CONSTRAINT messages_role_check ON vibelife.messages IS 'There are two sides.';
COMMENT ON INDEX vibelife.messages_conversation_id_idx IS
    'A conversation in its order, and the cascade from conversations.';
COMMENT ON COLUMN vibelife.messages.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.messages.conversation_id IS 'Where it was said.';
COMMENT ON COLUMN vibelife.messages.role IS 'Who said it: the user or the assistant.';
COMMENT ON COLUMN vibelife.messages.content IS 'What was said; any text, may be empty.';
COMMENT ON COLUMN vibelife.messages.created_at IS 'When it was said.';

CREATE TABLE vibelife.subscription_plans (
    id         uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    name       varchar(100)  NOT NULL UNIQUE,
    plan_type  varchar(20)   NOT NULL
        CONSTRAINT subscription_plans_plan_type_check CHECK (plan_type IN ('monthly', 'yearly')),
    price      numeric(10,2) NOT NULL,
    created_at timestamp     NOT NULL DEFAULT now()
);
COMMENT ON TABLE vibelife.subscription_plans IS 'What is for sale; gets a column in version 5.';
COMMENT ON CONSTRAINT subscription_plans_plan_type_check ON vibelife.subscription_plans IS
    'How often one pays.';
COMMENT ON COLUMN vibelife.subscription_plans.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.subscription_plans.name IS 'As it stands on the page of prices.';
COMMENT ON COLUMN vibelife.subscription_plans.plan_type IS 'How often one pays.';
COMMENT ON COLUMN vibelife.subscription_plans.price IS 'For a month or a year, in yuan.';
COMMENT ON COLUMN vibelife.subscription_plans.created_at IS 'When it was first offered.';

CREATE TABLE vibelife.subscriptions (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id    uuid        NOT NULL REFERENCES vibelife.vibe_users (vibe_id) ON DELETE CASCADE,
    plan_type  varchar(20) NOT NULL
        CONSTRAINT subscriptions_plan_type_check CHECK (plan_type IN ('monthly', 'yearly')),
    status     varchar(20) NOT NULL DEFAULT 'active'
        CONSTRAINT subscriptions_status_check
        CHECK (status IN ('active', 'cancelled', 'expired')),
    started_at timestamp   NOT NULL DEFAULT now(),
    expires_at timestamp,
    created_at timestamp   NOT NULL DEFAULT now()
);
CREATE INDEX subscriptions_user_id_idx ON vibelife.subscriptions (user_id);
COMMENT ON TABLE vibelife.subscriptions IS
    'One row for each subscription; a user may have several at a time.';
COMMENT ON CONSTRAINT subscriptions_plan_type_check ON vibelife.subscriptions IS
    'How often one pays.';
COMMENT ON CONSTRAINT subscriptions_status_check ON vibelife.subscriptions IS
    'What billing knows.';
COMMENT ON INDEX vibelife.subscriptions_user_id_idx IS
    'A user''s subscriptions, and the cascade from vibe_users.';
COMMENT ON COLUMN vibelife.subscriptions.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.subscriptions.user_id IS 'Who subscribed.';
COMMENT ON COLUMN vibelife.subscriptions.plan_type IS 'How often the user pays.';
COMMENT ON COLUMN vibelife.subscriptions.status IS
    'Set by billing; "active" may stay behind after expires_at, until a job has been through.';
COMMENT ON COLUMN vibelife.subscriptions.started_at IS 'From when it holds.';
COMMENT ON COLUMN vibelife.subscriptions.expires_at IS 'Until when it holds; NULL: no end is set.';
COMMENT ON COLUMN vibelife.subscriptions.created_at IS 'When the row was made.';

CREATE TABLE vibelife.payments (
    id           uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id      uuid          NOT NULL REFERENCES vibelife.vibe_users (vibe_id) ON DELETE CASCADE,
    amount       numeric(10,2) NOT NULL,
    status       varchar(20)   NOT NULL DEFAULT 'pending'
        CONSTRAINT payments_status_check
        CHECK (status IN ('pending', 'completed', 'failed', 'refunded')),
    created_at   timestamp     NOT NULL DEFAULT now(),
    completed_at timestamp
);
CREATE INDEX payments_user_id_idx ON vibelife.payments (user_id);
COMMENT ON TABLE vibelife.payments IS 'One row for each payment, whether it came to anything.';
COMMENT ON CONSTRAINT payments_status_check ON vibelife.payments IS 'What billing knows.';
COMMENT ON INDEX vibelife.payments_user_id_idx IS
    'A user''s payments, and the cascade from vibe_users.';
COMMENT ON COLUMN vibelife.payments.id IS 'Surrogate key.';
COMMENT ON COLUMN vibelife.payments.user_id IS 'Who pays.';
COMMENT ON COLUMN vibelife.payments.amount IS 'In yuan.';
COMMENT ON COLUMN vibelife.payments.status IS 'Set by billing, forward and, by a refund, back.';
COMMENT ON COLUMN vibelife.payments.created_at IS 'When it was asked for.';
COMMENT ON COLUMN vibelife.payments.completed_at IS
    'When the money came; NULL before. Stays when it is refunded.';

CREATE TABLE vibelife.user_profiles (
    user_id      uuid      PRIMARY KEY REFERENCES vibelife.vibe_users (vibe_id) ON DELETE CASCADE,
    profile_data jsonb,
    created_at   timestamp NOT NULL DEFAULT now(),
    updated_at   timestamp NOT NULL DEFAULT now()
);
COMMENT ON TABLE vibelife.user_profiles IS 'One document for each user who has filled one in.';
COMMENT ON COLUMN vibelife.user_profiles.user_id IS 'Whose it is; goes with its user.';
COMMENT ON COLUMN vibelife.user_profiles.profile_data IS
    'Under bazi and zodiac what is known for these; other keys for others. Old clients left all '
    'kinds of JSON here, and NULL.';
COMMENT ON COLUMN vibelife.user_profiles.created_at IS 'When the document was made.';
COMMENT ON COLUMN vibelife.user_profiles.updated_at IS 'When the application last wrote it.';

DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['old_app', 'new_app'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = v_role) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA vibelife TO %I', v_role);
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vibelife '
                           'TO %I', v_role);
        END IF;
    END LOOP;
END;
$$;

COMMIT;
