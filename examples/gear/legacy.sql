-- The old system, as it was before anybody thought of moving it: users and their equipment in the
-- schema user_core. It stands for a database that you already have.
--
--     psql -f legacy.sql
--
-- Runs as an ordinary owner who may create a schema in the database; grants to the role old_app if
-- it exists (roles.sql). Fails, and changes nothing, where the schema user_core is there already.

\set ON_ERROR_STOP on

BEGIN;

CREATE SCHEMA user_core;
COMMENT ON SCHEMA user_core IS 'The old system: users and their equipment.';

CREATE TABLE user_core.users (
    id         uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    name       varchar(200) NOT NULL,
    email      varchar(255) NOT NULL UNIQUE,
    created_at timestamptz  NOT NULL DEFAULT now()
);
COMMENT ON TABLE user_core.users IS 'One row for each person; stays where it is.';
COMMENT ON COLUMN user_core.users.id IS 'Surrogate key.';
COMMENT ON COLUMN user_core.users.name IS 'As the person writes it.';
COMMENT ON COLUMN user_core.users.email IS 'Address for signing in; unique as written.';
COMMENT ON COLUMN user_core.users.created_at IS 'When the person signed up.';

CREATE TABLE user_core.old_equipment (
    id             uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id        uuid         NOT NULL REFERENCES user_core.users (id) ON DELETE CASCADE,
    name           varchar(200) NOT NULL,
    type           varchar(50),
    brand          varchar(100),
    created_at     timestamptz  NOT NULL DEFAULT now(),
    last_viewed_at timestamptz
);
CREATE INDEX old_equipment_user_id_idx ON user_core.old_equipment (user_id);
COMMENT ON TABLE user_core.old_equipment IS
    'One row for each piece of equipment; moves to gear_ops.gear_items.';
COMMENT ON INDEX user_core.old_equipment_user_id_idx IS
    'GET /user/{id}/equipment, and the cascade from users.';
COMMENT ON COLUMN user_core.old_equipment.id IS 'Surrogate key; kept by the move.';
COMMENT ON COLUMN user_core.old_equipment.user_id IS
    'The owner; equipment goes when its owner goes.';
COMMENT ON COLUMN user_core.old_equipment.name IS
    'As the owner wrote it: any text, not unique, may be empty.';
COMMENT ON COLUMN user_core.old_equipment.type IS
    'Free text; NULL and the empty string both occur.';
COMMENT ON COLUMN user_core.old_equipment.brand IS
    'Free text; NULL and the empty string both occur.';
COMMENT ON COLUMN user_core.old_equipment.created_at IS
    'When the row was made; imports left some strange dates.';
COMMENT ON COLUMN user_core.old_equipment.last_viewed_at IS
    'Housekeeping of the old system, written on each GET; is not carried over.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'old_app') THEN
        GRANT USAGE ON SCHEMA user_core TO old_app;
        GRANT SELECT, INSERT, UPDATE, DELETE
           ON user_core.users, user_core.old_equipment TO old_app;
    END IF;
END;
$$;

COMMIT;
