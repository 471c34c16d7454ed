-- Deploy mongo_tasks:users_expand to pg
-- requires: app_tables
-- requires: pgtandem:require
-- requires: pgtandem:comparison
-- requires: pgtandem:progress
-- requires: pgtandem:gate
-- requires: pgtandem:mongo_document
--
-- Rendered by pgtandem 0.1.0 from the mapping "users", SHA-256 cd0533f7a0975394.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- What app.users should hold, as a view by key, and the comparison of the two. Nothing writes
-- yet.
--
-- Locks: nothing for longer than reading the catalogs.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- As in the triggers: an expression that needs another search_path fails here, not at a write.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What is there already, or is not there to be dropped, is no news.
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS pgtandem_users;
COMMENT ON SCHEMA pgtandem_users IS
    'Rendered from the mapping "users": image, sync triggers, copy, comparison.';

-- A replaced view may have other columns.
DROP FUNCTION IF EXISTS pgtandem_users.compared_keys(jsonb);
DROP FUNCTION IF EXISTS pgtandem_users.compared(text, text);
DROP VIEW IF EXISTS pgtandem_users.categories;
DROP VIEW IF EXISTS pgtandem_users.image;
CREATE VIEW pgtandem_users.image AS
SELECT source._id AS mongo_id,
       (pgtandem.mongo_id_uuid(_id))::uuid AS id,
       (CASE WHEN pgtandem.mongo_flaw(source.document -> 'email', 'text',
           'string') IS NULL THEN pgtandem.mongo_text(source.document -> 'email') END)::text
           AS email,
       (CASE WHEN pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text',
           'string') IS NULL
           THEN pgtandem.mongo_text(source.document -> 'hashed_password') END)::text
           AS hashed_password,
       (CASE WHEN pgtandem.mongo_flaw(source.document -> 'fullname', 'text',
           'string') IS NULL THEN pgtandem.mongo_text(source.document -> 'fullname') END)::text
           AS fullname,
       (CASE WHEN source.document -> 'roles' IS NULL THEN ('{user}')
        WHEN pgtandem.mongo_flaw(source.document -> 'roles', 'text[]',
           'string') IS NULL THEN pgtandem.mongo_array(source.document -> 'roles',
                                                       'text')::text[] END)::text[] AS roles,
       (CASE WHEN source.document -> 'is_active' IS NULL THEN (true)
        WHEN pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean',
           'boolean') IS NULL
           THEN pgtandem.mongo_boolean(source.document -> 'is_active') END)::boolean AS is_active,
       (CASE WHEN source.document -> 'created_at' IS NULL THEN (pgtandem.mongo_id_time(_id))
        WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
           'date') IS NULL
           THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz
           AS created_at,
       (CASE WHEN source.document -> 'updated_at' IS NULL
        THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
           pgtandem.mongo_id_time(_id))) WHEN pgtandem.mongo_flaw(source.document -> 'updated_at',
           'timestamptz', 'date') IS NULL
           THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz AS updated_at
FROM staging.users AS source
WHERE (coalesce(pgtandem.mongo_flaw(source.document -> 'email', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'fullname', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'roles', 'text[]', 'string'),
    pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL);
COMMENT ON VIEW pgtandem_users.image IS
    'What app.users should hold, by key.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, which can then run in parallel.
CREATE FUNCTION pgtandem_users.compared(
    p_low  text DEFAULT NULL,
    p_high text DEFAULT NULL
) RETURNS TABLE (
    key       jsonb,
    in_source boolean,
    in_target boolean,
    changed   boolean,
    columns   text[],
    source    jsonb,
    target    jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT jsonb_build_array(coalesce(t.mongo_id, i.mongo_id)),
           i.mongo_id IS NOT NULL OR t.mongo_id IS NULL,
           t.mongo_id IS NOT NULL,
           i.mongo_id IS NOT NULL AND t.mongo_id IS NOT NULL
               AND (i.id IS DISTINCT FROM t.id
                    OR i.email IS DISTINCT FROM t.email
                    OR i.hashed_password IS DISTINCT FROM t.hashed_password
                    OR i.fullname IS DISTINCT FROM t.fullname
                    OR i.roles IS DISTINCT FROM t.roles
                    OR i.is_active IS DISTINCT FROM t.is_active
                    OR i.created_at IS DISTINCT FROM t.created_at
                    OR i.updated_at IS DISTINCT FROM t.updated_at),
           array_remove(ARRAY[CASE WHEN i.id IS DISTINCT FROM t.id THEN 'id' END,
                              CASE WHEN i.email IS DISTINCT FROM t.email THEN 'email' END,
                              CASE WHEN i.hashed_password IS DISTINCT FROM t.hashed_password
                                  THEN 'hashed_password' END,
                              CASE WHEN i.fullname IS DISTINCT FROM t.fullname THEN 'fullname' END,
                              CASE WHEN i.roles IS DISTINCT FROM t.roles THEN 'roles' END,
                              CASE WHEN i.is_active IS DISTINCT FROM t.is_active
                                  THEN 'is_active' END,
                              CASE WHEN i.created_at IS DISTINCT FROM t.created_at
                                  THEN 'created_at' END,
                              CASE WHEN i.updated_at IS DISTINCT FROM t.updated_at
                              THEN 'updated_at' END], NULL),
           jsonb_build_object('mongo_id', i.mongo_id::text, 'id', i.id::text,
                              'email', i.email::text, 'hashed_password', i.hashed_password::text,
                              'fullname', i.fullname::text, 'roles', i.roles::text,
                              'is_active', i.is_active::text, 'created_at', i.created_at::text,
                              'updated_at', i.updated_at::text),
           jsonb_build_object('mongo_id', t.mongo_id::text, 'id', t.id::text,
                              'email', t.email::text, 'hashed_password', t.hashed_password::text,
                              'fullname', t.fullname::text, 'roles', t.roles::text,
                              'is_active', t.is_active::text, 'created_at', t.created_at::text,
                              'updated_at', t.updated_at::text)
    FROM (SELECT mongo_id, id, email, hashed_password, fullname, roles, is_active, created_at,
          updated_at
          FROM pgtandem_users.image
          WHERE (p_low IS NULL OR mongo_id >= p_low)
            AND (p_high IS NULL OR mongo_id < p_high OR (p_low IS NULL AND mongo_id IS NULL))) AS i
    FULL JOIN (SELECT mongo_id, id, email, hashed_password, fullname, roles, is_active, created_at,
               updated_at
               FROM app.users
               WHERE (p_low IS NULL OR mongo_id >= p_low)
                 AND (p_high IS NULL OR mongo_id < p_high OR (p_low IS NULL AND mongo_id IS NULL)))
                     AS t
      ON t.mongo_id = i.mongo_id;
END;
COMMENT ON FUNCTION pgtandem_users.compared(text, text) IS
    'Every key of image and target in a range of mongo_id (from p_low, below p_high; NULL: no '
    'bound), on which side it is, and what differs. Source: the mapping "users".';

CREATE FUNCTION pgtandem_users.compared_keys(p_keys jsonb) RETURNS TABLE (
    key       jsonb,
    in_source boolean,
    in_target boolean,
    changed   boolean,
    columns   text[],
    source    jsonb,
    target    jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT k.key,
           i.mongo_id IS NOT NULL,
           t.mongo_id IS NOT NULL,
           i.mongo_id IS NOT NULL AND t.mongo_id IS NOT NULL
               AND (i.id IS DISTINCT FROM t.id
                    OR i.email IS DISTINCT FROM t.email
                    OR i.hashed_password IS DISTINCT FROM t.hashed_password
                    OR i.fullname IS DISTINCT FROM t.fullname
                    OR i.roles IS DISTINCT FROM t.roles
                    OR i.is_active IS DISTINCT FROM t.is_active
                    OR i.created_at IS DISTINCT FROM t.created_at
                    OR i.updated_at IS DISTINCT FROM t.updated_at),
           array_remove(ARRAY[CASE WHEN i.id IS DISTINCT FROM t.id THEN 'id' END,
                              CASE WHEN i.email IS DISTINCT FROM t.email THEN 'email' END,
                              CASE WHEN i.hashed_password IS DISTINCT FROM t.hashed_password
                                  THEN 'hashed_password' END,
                              CASE WHEN i.fullname IS DISTINCT FROM t.fullname THEN 'fullname' END,
                              CASE WHEN i.roles IS DISTINCT FROM t.roles THEN 'roles' END,
                              CASE WHEN i.is_active IS DISTINCT FROM t.is_active
                                  THEN 'is_active' END,
                              CASE WHEN i.created_at IS DISTINCT FROM t.created_at
                                  THEN 'created_at' END,
                              CASE WHEN i.updated_at IS DISTINCT FROM t.updated_at
                              THEN 'updated_at' END], NULL),
           jsonb_build_object('mongo_id', i.mongo_id::text, 'id', i.id::text,
                              'email', i.email::text, 'hashed_password', i.hashed_password::text,
                              'fullname', i.fullname::text, 'roles', i.roles::text,
                              'is_active', i.is_active::text, 'created_at', i.created_at::text,
                              'updated_at', i.updated_at::text),
           jsonb_build_object('mongo_id', t.mongo_id::text, 'id', t.id::text,
                              'email', t.email::text, 'hashed_password', t.hashed_password::text,
                              'fullname', t.fullname::text, 'roles', t.roles::text,
                              'is_active', t.is_active::text, 'created_at', t.created_at::text,
                              'updated_at', t.updated_at::text)
    FROM jsonb_array_elements(p_keys) AS k (key)
    LEFT JOIN pgtandem_users.image AS i
      ON i.mongo_id = (k.key ->> 0)::text
    LEFT JOIN app.users AS t
      ON t.mongo_id = (k.key ->> 0)::text;
END;
COMMENT ON FUNCTION pgtandem_users.compared_keys(jsonb) IS
    'The same for the keys of a JSON array of keys, found by index on either side.';

CREATE OR REPLACE FUNCTION pgtandem_users.measure_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint,
    p_strategy    text
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $copy$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format(CASE p_strategy
        WHEN 'overwrite' THEN $overwrite$
            -- The lock makes the value read the value current at the write.
            WITH image AS MATERIALIZED (
            SELECT source._id AS mongo_id,
                   (pgtandem.mongo_id_uuid(_id))::uuid AS id,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'email', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'email') END)::text AS email,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'hashed_password') END)::text
                       AS hashed_password,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'fullname', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'fullname') END)::text
                       AS fullname,
                   (CASE WHEN source.document -> 'roles' IS NULL THEN ('{user}')
                    WHEN pgtandem.mongo_flaw(source.document -> 'roles', 'text[]',
                       'string') IS NULL THEN pgtandem.mongo_array(source.document -> 'roles',
                       'text')::text[] END)::text[] AS roles,
                   (CASE WHEN source.document -> 'is_active' IS NULL THEN (true)
                    WHEN pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'is_active') END)::boolean
                       AS is_active,
                   (CASE WHEN source.document -> 'created_at' IS NULL
                       THEN (pgtandem.mongo_id_time(_id))
                       WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz
                       AS created_at,
                   (CASE WHEN source.document -> 'updated_at' IS NULL
                    THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
                       pgtandem.mongo_id_time(_id)))
                       WHEN pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
                       AS updated_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(source.document -> 'email', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'fullname', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'roles', 'text[]', 'string'),
    pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
            FOR NO KEY UPDATE OF source)
            INSERT INTO pgtandem_users.measured_target AS t
                (mongo_id, id, email, hashed_password, fullname, roles, is_active, created_at,
                 updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.mongo_id, i.id, i.email, i.hashed_password, i.fullname, i.roles, i.is_active,
                i.created_at, i.updated_at
            FROM image AS i
            ORDER BY i.mongo_id
            ON CONFLICT (mongo_id) DO UPDATE
                SET id = excluded.id,
                    email = excluded.email,
                    hashed_password = excluded.hashed_password,
                    fullname = excluded.fullname,
                    roles = excluded.roles,
                    is_active = excluded.is_active,
                    created_at = excluded.created_at,
                    updated_at = excluded.updated_at
                WHERE t.id IS DISTINCT FROM excluded.id
                   OR t.email IS DISTINCT FROM excluded.email
                   OR t.hashed_password IS DISTINCT FROM excluded.hashed_password
                   OR t.fullname IS DISTINCT FROM excluded.fullname
                   OR t.roles IS DISTINCT FROM excluded.roles
                   OR t.is_active IS DISTINCT FROM excluded.is_active
                   OR t.created_at IS DISTINCT FROM excluded.created_at
                   OR t.updated_at IS DISTINCT FROM excluded.updated_at
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO pgtandem_users.measured_target
                (mongo_id, id, email, hashed_password, fullname, roles, is_active, created_at,
                 updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source._id,
                   (pgtandem.mongo_id_uuid(_id))::uuid,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'email', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'email') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'hashed_password') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'fullname', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'fullname') END)::text,
                   (CASE WHEN source.document -> 'roles' IS NULL THEN ('{user}')
                    WHEN pgtandem.mongo_flaw(source.document -> 'roles', 'text[]',
                       'string') IS NULL THEN pgtandem.mongo_array(source.document -> 'roles',
                       'text')::text[] END)::text[],
                   (CASE WHEN source.document -> 'is_active' IS NULL THEN (true)
                    WHEN pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'is_active') END)::boolean,
                   (CASE WHEN source.document -> 'created_at' IS NULL
                       THEN (pgtandem.mongo_id_time(_id))
                       WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz,
                   (CASE WHEN source.document -> 'updated_at' IS NULL
                    THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
                       pgtandem.mongo_id_time(_id)))
                       WHEN pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(source.document -> 'email', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'fullname', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'roles', 'text[]', 'string'),
    pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
            ORDER BY source._id
        $insert$
        ELSE $skip$
            INSERT INTO pgtandem_users.measured_target
                (mongo_id, id, email, hashed_password, fullname, roles, is_active, created_at,
                 updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source._id,
                   (pgtandem.mongo_id_uuid(_id))::uuid,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'email', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'email') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'hashed_password') END)::text,
                   (CASE WHEN pgtandem.mongo_flaw(source.document -> 'fullname', 'text',
                       'string') IS NULL
                       THEN pgtandem.mongo_text(source.document -> 'fullname') END)::text,
                   (CASE WHEN source.document -> 'roles' IS NULL THEN ('{user}')
                    WHEN pgtandem.mongo_flaw(source.document -> 'roles', 'text[]',
                       'string') IS NULL THEN pgtandem.mongo_array(source.document -> 'roles',
                       'text')::text[] END)::text[],
                   (CASE WHEN source.document -> 'is_active' IS NULL THEN (true)
                    WHEN pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean',
                       'boolean') IS NULL
                       THEN pgtandem.mongo_boolean(source.document -> 'is_active') END)::boolean,
                   (CASE WHEN source.document -> 'created_at' IS NULL
                       THEN (pgtandem.mongo_id_time(_id))
                       WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz,
                   (CASE WHEN source.document -> 'updated_at' IS NULL
                    THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
                       pgtandem.mongo_id_time(_id)))
                       WHEN pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                       'date') IS NULL
                       THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND (coalesce(pgtandem.mongo_flaw(source.document -> 'email', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'fullname', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'roles', 'text[]', 'string'),
    pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
              AND NOT EXISTS (SELECT FROM pgtandem_users.measured_target AS t
                              WHERE t.mongo_id = source._id)
            ORDER BY source._id
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (mongo_id) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_users.measure_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_users.measure_chunk(regclass, bigint, bigint, text) IS
    'What copy_chunk does, with a scratch table in the place of the target. Called by '
    'pgtandem.measure, which makes that table and undoes it all.';

-- Not bound to what it reads: a table or a column may go without it.
CREATE OR REPLACE FUNCTION pgtandem_users.checked(p_name text DEFAULT NULL)
RETURNS TABLE (name text, found jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $checked$
    SELECT 'email_missing', to_jsonb(q) FROM (
        SELECT mongo_id FROM app.users WHERE email IS NULL OR email = ''
    ) AS q
    WHERE p_name IS NULL OR p_name = 'email_missing'
    UNION ALL
    SELECT 'email_twice', to_jsonb(q) FROM (
        SELECT lower(email) AS email, count(*) AS users,
            array_agg(mongo_id ORDER BY mongo_id) AS ids
            FROM app.users GROUP BY 1 HAVING count(*) > 1
    ) AS q
    WHERE p_name IS NULL OR p_name = 'email_twice'
    UNION ALL
    SELECT 'times_reversed', to_jsonb(q) FROM (
        SELECT mongo_id, created_at, updated_at FROM app.users WHERE updated_at < created_at
    ) AS q
    WHERE p_name IS NULL OR p_name = 'times_reversed'
    UNION ALL
    SELECT 'unfit_documents', to_jsonb(q) FROM (
        SELECT source._id AS _id, f.path, f.value, f.flaw
        FROM staging.users AS source,
             LATERAL (VALUES
               ('email', source.document -> 'email', pgtandem.mongo_flaw(source.document -> 'email',
                'text', 'string')),
               ('hashed_password', source.document -> 'hashed_password',
                pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text', 'string')),
               ('fullname', source.document -> 'fullname',
                pgtandem.mongo_flaw(source.document -> 'fullname', 'text', 'string')),
               ('roles', source.document -> 'roles', pgtandem.mongo_flaw(source.document -> 'roles',
                'text[]', 'string')),
               ('is_active', source.document -> 'is_active',
                pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean', 'boolean')),
               ('created_at', source.document -> 'created_at',
                pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date')),
               ('updated_at', source.document -> 'updated_at',
                pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date'))
             ) AS f (path, value, flaw)
        WHERE f.flaw IS NOT NULL
    ) AS q
    WHERE p_name IS NULL OR p_name = 'unfit_documents'
    UNION ALL
    SELECT 'unread_fields', to_jsonb(q) FROM (
        SELECT u.path, count(*) AS documents, min(source._id) AS example
        FROM staging.users AS source,
             pgtandem.mongo_unread(source.document,
               '{"_id": true, "email": true, "hashed_password": true, "fullname": true, "roles": '
               'true, "is_active": true, "created_at": true, "updated_at": true, "__v": true}')
               AS u (path)
        GROUP BY u.path ORDER BY u.path
    ) AS q
    WHERE p_name IS NULL OR p_name = 'unread_fields'
$checked$;
COMMENT ON FUNCTION pgtandem_users.checked(text) IS
    'The checks of the mapping, or one of them: a row for each thing that is wrong. They are '
    'email_missing, email_twice, times_reversed, unfit_documents, unread_fields.';

DO $do$
BEGIN
    PERFORM pgtandem.require_old_view('app.users_documents', 'users');
END;
$do$;
CREATE OR REPLACE VIEW app.users_documents AS
SELECT t.mongo_id AS _id,
       jsonb_build_object(
           '_id', pgtandem.mongo_json(t.mongo_id::jsonb),
           'email', t.email,
           'hashed_password', t.hashed_password,
           'fullname', t.fullname,
           'roles', t.roles,
           'is_active', t.is_active,
           'created_at', pgtandem.mongo_date(t.created_at),
           'updated_at', pgtandem.mongo_date(t.updated_at)
       ) AS document
FROM app.users AS t;
COMMENT ON VIEW app.users_documents IS
    'The rows of app.users in the shape of the documents that they come from, as relaxed '
    'Extended JSON. Rendered from the mapping "users".';

DO $do$
BEGIN
    PERFORM pgtandem.register_mapping(
        'users',
        'cd0533f7a0975394912624445a321ee39e454afe08c823a65215727fb4b44ba3',
        'staging.users',
        'app.users',
        ARRAY['mongo_id']::text[],
        '{
  "sync": {
    "mode": "record",
    "ways": "forward",
    "lock_timeout": "500ms",
    "truncate": "refuse"
  },
  "backfill": {
    "chunk_time": "200ms",
    "max_lag": "64MB",
    "max_slot": "4GB",
    "undo_limit": "10GB",
    "undo": false
  },
  "gate": {
    "signals": {},
    "sync_failure_percent": {},
    "differences_per_hour": {},
    "consistency_percent": {
      "roll_back_below": 99.0
    }
  },
  "contract": {
    "archive": "pgtandem_archive",
    "max_age": "1h",
    "max_old_reads": 100,
    "old_roles": [],
    "generated": {}
  },
  "checks": [
    "email_missing",
    "email_twice",
    "times_reversed",
    "unfit_documents",
    "unread_fields"
  ]
}',
        '0.1.0'
    );
END;
$do$;

COMMIT;
