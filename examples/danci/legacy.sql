-- The system as it was: learners, the words they learn, every answer, and what AMAS, the engine
-- that adapts to a learner, knows of each. The new version's two tables are there already and in
-- use, by those learners who have tried it. It stands for a database that you already have.
--
--     psql -f legacy.sql
--
-- Runs as an ordinary owner who may create a schema in the database; grants to the roles old_app
-- and new_app where they exist (roles.sql): the stable version and the canary of one application,
-- which work on the same tables side by side. Fails, and changes nothing, where the schema danci
-- is there already.

\set ON_ERROR_STOP on

BEGIN;

CREATE SCHEMA danci;
COMMENT ON SCHEMA danci IS 'Learners, words, answers, and what is known of how they learn.';

CREATE TABLE danci.users (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE danci.users IS 'One row for each learner.';
COMMENT ON COLUMN danci.users.id IS 'Surrogate key.';
COMMENT ON COLUMN danci.users.name IS 'As the learner writes it.';
COMMENT ON COLUMN danci.users.created_at IS 'When the learner signed up.';

CREATE TABLE danci.words (
    id       integer PRIMARY KEY,
    spelling text    NOT NULL UNIQUE
);
COMMENT ON TABLE danci.words IS 'One row for each word that can be learnt.';
COMMENT ON COLUMN danci.words.id IS 'Its number in the book.';
COMMENT ON COLUMN danci.words.spelling IS 'As it is written.';

-- Old: what AMAS knew of a learner.
CREATE TABLE danci.amas_user_states (
    id         uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id    uuid             NOT NULL UNIQUE REFERENCES danci.users (id) ON DELETE CASCADE,
    attention  double precision NOT NULL DEFAULT 0.7,
    fatigue    double precision NOT NULL DEFAULT 0,
    motivation double precision NOT NULL DEFAULT 0.5,
    cognitive  jsonb            NOT NULL DEFAULT '{}',
    trend      text,
    created_at timestamptz      NOT NULL DEFAULT now(),
    updated_at timestamptz      NOT NULL DEFAULT now()
);
COMMENT ON TABLE danci.amas_user_states IS
    'Old: one row for each learner whom AMAS has seen. The stable version reads and writes it.';
COMMENT ON COLUMN danci.amas_user_states.id IS 'Surrogate key.';
COMMENT ON COLUMN danci.amas_user_states.user_id IS 'Whose it is; goes with its learner.';
COMMENT ON COLUMN danci.amas_user_states.attention IS
    '0 to 1; an old client has also written a little more.';
COMMENT ON COLUMN danci.amas_user_states.fatigue IS '0 to 1.';
COMMENT ON COLUMN danci.amas_user_states.motivation IS '-1 to 1.';
COMMENT ON COLUMN danci.amas_user_states.cognitive IS
    'memory, speed and stability, each 0 to 1; any may be missing.';
COMMENT ON COLUMN danci.amas_user_states.trend IS 'up, flat, stuck or down; NULL: not known yet.';
COMMENT ON COLUMN danci.amas_user_states.created_at IS 'When AMAS first saw the learner.';
COMMENT ON COLUMN danci.amas_user_states.updated_at IS 'When AMAS last wrote the row.';

-- New, and in use: the profile that takes its place.
CREATE TABLE danci.user_learning_profiles (
    id         uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id    uuid             NOT NULL UNIQUE REFERENCES danci.users (id) ON DELETE CASCADE,
    attention  double precision NOT NULL DEFAULT 0.7
        CONSTRAINT user_learning_profiles_attention_check CHECK (attention BETWEEN 0 AND 1),
    fatigue    double precision NOT NULL DEFAULT 0
        CONSTRAINT user_learning_profiles_fatigue_check CHECK (fatigue BETWEEN 0 AND 1),
    motivation double precision NOT NULL DEFAULT 0.5
        CONSTRAINT user_learning_profiles_motivation_check CHECK (motivation BETWEEN -1 AND 1),
    memory     double precision,
    speed      double precision,
    stability  double precision,
    trend      text,
    theta      double precision NOT NULL DEFAULT 0,
    created_at timestamptz      NOT NULL DEFAULT now(),
    updated_at timestamptz      NOT NULL DEFAULT now()
);
COMMENT ON TABLE danci.user_learning_profiles IS
    'New: one row for each learner who has a profile. The canary reads and writes it.';
COMMENT ON COLUMN danci.user_learning_profiles.id IS 'Surrogate key.';
COMMENT ON COLUMN danci.user_learning_profiles.user_id IS 'Whose it is; goes with its learner.';
COMMENT ON COLUMN danci.user_learning_profiles.attention IS '0 to 1.';
COMMENT ON COLUMN danci.user_learning_profiles.fatigue IS '0 to 1.';
COMMENT ON COLUMN danci.user_learning_profiles.motivation IS '-1 to 1.';
COMMENT ON COLUMN danci.user_learning_profiles.memory IS '0 to 1; NULL: not known.';
COMMENT ON COLUMN danci.user_learning_profiles.speed IS '0 to 1; NULL: not known.';
COMMENT ON COLUMN danci.user_learning_profiles.stability IS '0 to 1; NULL: not known.';
COMMENT ON COLUMN danci.user_learning_profiles.trend IS 'up, flat, stuck or down.';
COMMENT ON COLUMN danci.user_learning_profiles.theta IS
    'Ability, in logits: the new version''s own, the old one knew nothing of it.';
COMMENT ON COLUMN danci.user_learning_profiles.created_at IS 'When the profile was made.';
COMMENT ON COLUMN danci.user_learning_profiles.updated_at IS
    'When one of the two versions last learnt something; the newer wins.';

CREATE TABLE danci.answer_records (
    id            bigint      PRIMARY KEY,
    user_id       uuid        NOT NULL REFERENCES danci.users (id) ON DELETE CASCADE,
    word_id       integer     NOT NULL REFERENCES danci.words (id) ON DELETE CASCADE,
    is_correct    boolean     NOT NULL,
    response_time integer,
    "timestamp"   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX answer_records_word_idx ON danci.answer_records (user_id, word_id, "timestamp");
COMMENT ON TABLE danci.answer_records IS 'One row for each answer of a learner, for ever.';
COMMENT ON INDEX danci.answer_records_word_idx IS 'What a learner has answered to a word.';
COMMENT ON COLUMN danci.answer_records.id IS 'Surrogate key.';
COMMENT ON COLUMN danci.answer_records.user_id IS 'Who answered; goes with the learner.';
COMMENT ON COLUMN danci.answer_records.word_id IS 'What was asked.';
COMMENT ON COLUMN danci.answer_records.is_correct IS 'Whether the answer was right.';
COMMENT ON COLUMN danci.answer_records.response_time IS 'Milliseconds; NULL: not measured.';
COMMENT ON COLUMN danci.answer_records."timestamp" IS 'When it was answered.';

-- Old: which words a learner has begun.
CREATE TABLE danci.word_scores (
    user_id uuid    NOT NULL REFERENCES danci.users (id) ON DELETE CASCADE,
    word_id integer NOT NULL REFERENCES danci.words (id) ON DELETE CASCADE,
    score   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, word_id)
);
COMMENT ON TABLE danci.word_scores IS 'Old: one row for each word that a learner has begun.';
COMMENT ON COLUMN danci.word_scores.user_id IS 'Who learns; goes with the learner.';
COMMENT ON COLUMN danci.word_scores.word_id IS 'What is learnt.';
COMMENT ON COLUMN danci.word_scores.score IS '0 to 100.';

-- New, and in use: how far a learner has come with a word, and when to ask again.
CREATE TABLE danci.word_learning_states (
    user_id          uuid        NOT NULL REFERENCES danci.users (id) ON DELETE CASCADE,
    word_id          integer     NOT NULL REFERENCES danci.words (id) ON DELETE CASCADE,
    mastery_level    integer     NOT NULL DEFAULT 0
        CONSTRAINT word_learning_states_mastery_check CHECK (mastery_level BETWEEN 0 AND 5),
    review_count     integer     NOT NULL DEFAULT 0,
    interval_days    integer     NOT NULL DEFAULT 1
        CONSTRAINT word_learning_states_interval_check CHECK (interval_days BETWEEN 1 AND 3650),
    last_review_date timestamptz,
    next_review_date timestamptz,
    PRIMARY KEY (user_id, word_id)
);
CREATE INDEX word_learning_states_due_idx
    ON danci.word_learning_states (user_id, next_review_date);
COMMENT ON TABLE danci.word_learning_states IS
    'New: one row for each word that a learner has begun. The canary reads and writes it.';
COMMENT ON INDEX danci.word_learning_states_due_idx IS 'What a learner is to be asked next.';
COMMENT ON COLUMN danci.word_learning_states.user_id IS 'Who learns; goes with the learner.';
COMMENT ON COLUMN danci.word_learning_states.word_id IS 'What is learnt.';
COMMENT ON COLUMN danci.word_learning_states.mastery_level IS '0 (new) to 5 (known).';
COMMENT ON COLUMN danci.word_learning_states.review_count IS 'How often it was asked.';
COMMENT ON COLUMN danci.word_learning_states.interval_days IS
    'Days between the last review and the next.';
COMMENT ON COLUMN danci.word_learning_states.last_review_date IS 'NULL: never asked.';
COMMENT ON COLUMN danci.word_learning_states.next_review_date IS
    'When to ask again; a fault of the canary has left some NULL, and some in the past.';

DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['old_app', 'new_app'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = v_role) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA danci TO %I', v_role);
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA danci '
                           'TO %I', v_role);
        END IF;
    END LOOP;
END;
$$;

COMMIT;
