-- Deploy mongo_tasks:users_sync to pg
-- requires: users_expand
-- requires: pgtandem:drain
--
-- Rendered by pgtandem 0.1.0 from the mapping "users", SHA-256 cd0533f7a0975394.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of staging.users reaches app.users. Opens the copy: what was there before
-- is still to be backfilled.
--
-- Locks: both tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers wait,
-- readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"staging.users", "app.users"}', 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('users',
        'cd0533f7a0975394912624445a321ee39e454afe08c823a65215727fb4b44ba3');
    PERFORM pgtandem.require_unique('app.users', ARRAY['mongo_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_users.image', 'staging.users',
                                  ARRAY['_id', 'document']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_users.image', '{"staging.users"}');
    PERFORM pgtandem.require_immediate('app.users');
END;
$do$;

CREATE OR REPLACE FUNCTION pgtandem_users.copy_is_open() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- What an old snapshot does not see counts as open: a needless entry in the queue harms nobody.
    SELECT NOT EXISTS (SELECT FROM pgtandem.mapping
                       WHERE name = 'users' AND copy_state = 'complete');
$$;
COMMENT ON FUNCTION pgtandem_users.copy_is_open() IS
    'Whether a chunk may be in flight, so that whatever takes an image away must queue its key.';

CREATE OR REPLACE FUNCTION pgtandem_users.was_contracted() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- True only for a snapshot that is older than a revert of contract.
    SELECT EXISTS (SELECT FROM pgtandem.mapping WHERE name = 'users' AND phase = 'contract');
$$;
REVOKE ALL ON FUNCTION pgtandem_users.was_contracted() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_users.was_contracted() IS
    'Whether the caller''s snapshot still shows the mapping contracted: it does not see the '
    'source.';

-- One key of the queue: hold the target's row, then read the image in a statement of its own. Never
-- the other way round: a re-insert of the key would be lost.
CREATE OR REPLACE FUNCTION pgtandem_users.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 app.users.mongo_id%TYPE := (p_key ->> 0)::text;
    v_result text;
BEGIN
    FOR v_try IN 1..20 LOOP
        PERFORM FROM app.users AS t
        WHERE t.mongo_id = v_key1
        FOR UPDATE;
        IF FOUND THEN
            UPDATE app.users AS t
            SET id = i.id,
                email = i.email,
                hashed_password = i.hashed_password,
                fullname = i.fullname,
                roles = i.roles,
                is_active = i.is_active,
                created_at = i.created_at,
                updated_at = i.updated_at
            FROM pgtandem_users.image AS i
            WHERE t.mongo_id = v_key1 AND i.mongo_id = v_key1
              AND (t.id IS DISTINCT FROM i.id
                   OR t.email IS DISTINCT FROM i.email
                   OR t.hashed_password IS DISTINCT FROM i.hashed_password
                   OR t.fullname IS DISTINCT FROM i.fullname
                   OR t.roles IS DISTINCT FROM i.roles
                   OR t.is_active IS DISTINCT FROM i.is_active
                   OR t.created_at IS DISTINCT FROM i.created_at
                   OR t.updated_at IS DISTINCT FROM i.updated_at);
            IF FOUND THEN
                v_result := 'updated';
                EXIT;
            END IF;
            DELETE FROM app.users AS t
            WHERE t.mongo_id = v_key1
              AND NOT EXISTS (SELECT FROM pgtandem_users.image AS i WHERE i.mongo_id = v_key1);
            RETURN CASE WHEN FOUND THEN 'deleted' ELSE 'equal' END;
        END IF;
        INSERT INTO app.users AS t
            (mongo_id, id, email, hashed_password, fullname, roles, is_active, created_at,
             updated_at)
        OVERRIDING SYSTEM VALUE
        SELECT i.mongo_id, i.id, i.email, i.hashed_password, i.fullname, i.roles, i.is_active,
            i.created_at, i.updated_at
        FROM pgtandem_users.image AS i
        WHERE i.mongo_id = v_key1
        ON CONFLICT (mongo_id) DO NOTHING;
        IF FOUND THEN
            v_result := 'inserted';
            EXIT;
        END IF;
        PERFORM FROM pgtandem_users.image AS i WHERE i.mongo_id = v_key1;
        IF NOT FOUND THEN
            RETURN 'equal';
        END IF;
        -- Somebody inserted the row between our two statements: hold it, and look again.
    END LOOP;
    IF v_result IS NULL OR EXISTS (
           SELECT FROM app.users AS t, pgtandem_users.image AS i
           WHERE t.mongo_id = v_key1 AND i.mongo_id = v_key1
             AND (t.id IS DISTINCT FROM i.id
                  OR t.email IS DISTINCT FROM i.email
                  OR t.hashed_password IS DISTINCT FROM i.hashed_password
                  OR t.fullname IS DISTINCT FROM i.fullname
                  OR t.roles IS DISTINCT FROM i.roles
                  OR t.is_active IS DISTINCT FROM i.is_active
                  OR t.created_at IS DISTINCT FROM i.created_at
                  OR t.updated_at IS DISTINCT FROM i.updated_at)) THEN
        RAISE EXCEPTION 'the target % does not keep the image of key %', 'app.users', p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the target really stores.';
    END IF;
    RETURN v_result;
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_users.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_users.settle(jsonb) IS
    'Makes the target hold the image of one key: inserted, updated, deleted or equal. TD010. '
    'Called by pgtandem._settle, which marks the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_users.chunk_keys(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $chunk_keys$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT jsonb_build_array(source._id)
        FROM ONLY %s AS source
        WHERE source.ctid >= $1 AND source.ctid < $2
          AND (coalesce(pgtandem.mongo_flaw(source.document -> 'email', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'fullname', 'text', 'string'),
    pgtandem.mongo_flaw(source.document -> 'roles', 'text[]', 'string'),
    pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean', 'boolean'),
    pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
    pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_users.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

CREATE OR REPLACE FUNCTION pgtandem_users.queue_extra() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $queue_extra$
    INSERT INTO pgtandem.recheck (mapping, key, reason)
    SELECT 'users', jsonb_build_array(t.mongo_id), 'gone'
    FROM app.users AS t
    WHERE NOT EXISTS (SELECT FROM pgtandem_users.image AS i
                      WHERE i.mongo_id = t.mongo_id);
$queue_extra$;
REVOKE ALL ON FUNCTION pgtandem_users.queue_extra() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_users.queue_extra() IS
    'Queues the keys of the target that have no image. Called by pgtandem._sweep, once a copy over '
    'a target that had rows.';

-- Rows go in sorted by the key of the target, whose index then grows in order.
CREATE OR REPLACE FUNCTION pgtandem_users.copy_chunk(
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
            INSERT INTO app.users AS t
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
            INSERT INTO app.users
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
            INSERT INTO app.users
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
              AND NOT EXISTS (SELECT FROM app.users AS t
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
REVOKE ALL ON FUNCTION pgtandem_users.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_users.copy_chunk(regclass, bigint, bigint, text) IS
    'Copies a range of blocks; returns the rows written. Strategies: insert (none is there), skip '
    '(those there are right), ignore (likewise, with writers at work), overwrite (lock and '
    'replace). Called by pgtandem._copy_chunk, which marks the write as ours.';

-- A write of the source: bring its image to the target.
CREATE OR REPLACE FUNCTION pgtandem_users.sync_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $forward$
#variable_conflict use_column
DECLARE
    v_old      ALIAS FOR old;
    v_new      ALIAS FOR new;
    v_kept     boolean;
    v_was      boolean;  -- in the filter, NULL where there is none
    v_found    boolean;
    v_sqlstate text;
    v_message  text;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD._id IS DISTINCT FROM NEW._id
                                 OR OLD.document IS DISTINCT FROM NEW.document) THEN
        -- Nothing that is mapped. The trigger pgtandem_users_moved is for rows that change block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        -- pgtandem_users_update brings it over; but what the way back wrote is brought by nobody,
        -- and a copy that overwrites has to see it where it is now.
        IF current_setting('pgtandem_users.depth', true) = (pg_trigger_depth() - 1)::text
           AND (v_old.ctid::text::point)[0] <> (v_new.ctid::text::point)[0] THEN
            PERFORM pgtandem.queue('users', jsonb_build_array(v_new._id), 'copy');
        END IF;
        RETURN NULL;
    END IF;

    -- One look for what is rare: PL/pgSQL pays for each expression anew in each transaction.
    IF current_setting('pgtandem_users.state', true) <> '' OR pg_trigger_depth() > 1 THEN
        IF current_setting('pgtandem_users.state', true) = 'queue' THEN
            -- This transaction has waited for the target once; it does not wait again.
            PERFORM pgtandem._sync_failed('users',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old._id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new._id) END,
                '55P03', 'queued: an earlier write of the transaction had to give way');
            RETURN NULL;
        END IF;
        -- Triggers of the application that write this table again run between the rows of a
        -- statement. Where that has happened, NEW may be older than the row: read the row.
        IF current_setting('pgtandem_users.state', true) = 'nested' AND TG_OP <> 'DELETE' THEN
            SELECT s._id, s.document
            INTO v_new._id, v_new.document
            FROM staging.users AS s
            WHERE s._id = v_new._id;
            IF NOT FOUND THEN
                IF TG_OP = 'UPDATE' THEN
                    -- What took it from its new key did not know of its old one.
                    PERFORM pgtandem.queue('users', jsonb_build_array(v_old._id), 'gone');
                END IF;
                RETURN NULL;
            END IF;
        ELSIF pg_trigger_depth() > 1 THEN
            PERFORM set_config('pgtandem_users.state', 'nested', true);
        END IF;
    END IF;

    BEGIN
        IF TG_OP <> 'INSERT' THEN
            SELECT (coalesce(pgtandem.mongo_flaw(source.document -> 'email', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'fullname', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'roles', 'text[]', 'string'),
        pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean', 'boolean'),
        pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
        pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                            'date')) IS NULL) IS TRUE INTO v_was FROM (SELECT v_old.*) AS source;
        END IF;
        IF TG_OP = 'DELETE' THEN
            DELETE FROM app.users AS t
            WHERE t.mongo_id = v_old._id
              AND NOT EXISTS (SELECT FROM pgtandem_users.image AS i WHERE i.mongo_id = v_old._id);
            IF v_was IS NOT false AND (NOT FOUND OR pgtandem_users.copy_is_open()
                          OR EXISTS (SELECT FROM pgtandem_users.image AS i
                                     WHERE i.mongo_id = v_old._id))
               AND NOT pgtandem._cascades('app.users', ARRAY['mongo_id']::text[],
                                          'staging.users', ARRAY['_id']::text[]) THEN
                -- A chunk in flight may still put it back, or, where the source has no unique key,
                -- another row have taken its place just now.
                PERFORM pgtandem.queue('users', jsonb_build_array(v_old._id), 'gone');
            END IF;
        ELSE
            IF TG_OP = 'UPDATE' AND (v_old._id IS DISTINCT FROM v_new._id) THEN
                -- Keep what the new application owns of the row, unless the new key is taken.
                UPDATE app.users AS t
                SET mongo_id = v_new._id
                WHERE t.mongo_id = v_old._id
                  AND NOT EXISTS (SELECT FROM app.users AS o WHERE o.mongo_id = v_new._id)
                  AND NOT EXISTS (SELECT FROM pgtandem_users.image AS i
                                  WHERE i.mongo_id = v_old._id);
                v_found := FOUND;
                IF NOT v_found THEN
                    DELETE FROM app.users AS t
                    WHERE t.mongo_id = v_old._id
                      AND NOT EXISTS (SELECT FROM pgtandem_users.image AS i
                                      WHERE i.mongo_id = v_old._id);
                    v_found := FOUND;
                END IF;
                IF v_was IS NOT false AND (NOT v_found OR pgtandem_users.copy_is_open()
                              OR EXISTS (SELECT FROM pgtandem_users.image AS i
                                         WHERE i.mongo_id = v_old._id)) THEN
                    PERFORM pgtandem.queue('users', jsonb_build_array(v_old._id), 'gone');
                    PERFORM pgtandem.queue('users', jsonb_build_array(v_new._id), 'gone');
                END IF;
            END IF;
            INSERT INTO app.users AS t
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
            FROM (SELECT v_new.*) AS source
            WHERE (coalesce(pgtandem.mongo_flaw(source.document -> 'email', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'fullname', 'text', 'string'),
        pgtandem.mongo_flaw(source.document -> 'roles', 'text[]', 'string'),
        pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean', 'boolean'),
        pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz', 'date'),
        pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz', 'date')) IS NULL)
            ON CONFLICT (mongo_id) DO UPDATE
                SET id = excluded.id,
                    email = excluded.email,
                    hashed_password = excluded.hashed_password,
                    fullname = excluded.fullname,
                    roles = excluded.roles,
                    is_active = excluded.is_active,
                    created_at = excluded.created_at,
                    updated_at = excluded.updated_at
            RETURNING t.mongo_id IS NOT DISTINCT FROM v_new._id
                  AND t.id IS NOT DISTINCT FROM (SELECT (pgtandem.mongo_id_uuid(_id))::uuid
                                                 FROM (SELECT v_new.*) AS source)
                  AND t.email IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN pgtandem.mongo_flaw(source.document -> 'email', 'text',
                      'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'email') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.hashed_password IS NOT DISTINCT FROM (SELECT (CASE
                  WHEN pgtandem.mongo_flaw(source.document -> 'hashed_password', 'text',
                      'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'hashed_password') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.fullname IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN pgtandem.mongo_flaw(source.document -> 'fullname', 'text',
                      'string') IS NULL
                      THEN pgtandem.mongo_text(source.document -> 'fullname') END)::text
                      FROM (SELECT v_new.*) AS source)
                  AND t.roles IS NOT DISTINCT FROM (SELECT (CASE WHEN source.document -> 'roles'
                      IS NULL THEN ('{user}') WHEN pgtandem.mongo_flaw(source.document -> 'roles',
                      'text[]', 'string') IS NULL
                      THEN pgtandem.mongo_array(source.document -> 'roles',
                      'text')::text[] END)::text[] FROM (SELECT v_new.*) AS source)
                  AND t.is_active IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'is_active' IS NULL THEN (true)
                      WHEN pgtandem.mongo_flaw(source.document -> 'is_active', 'boolean',
                      'boolean') IS NULL
                      THEN pgtandem.mongo_boolean(source.document -> 'is_active') END)::boolean
                      FROM (SELECT v_new.*) AS source)
                  AND t.created_at IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'created_at' IS NULL
                      THEN (pgtandem.mongo_id_time(_id))
                      WHEN pgtandem.mongo_flaw(source.document -> 'created_at', 'timestamptz',
                      'date') IS NULL
                      THEN pgtandem.mongo_time(source.document -> 'created_at') END)::timestamptz
                      FROM (SELECT v_new.*) AS source)
                  AND t.updated_at IS NOT DISTINCT FROM (SELECT (CASE
                      WHEN source.document -> 'updated_at' IS NULL
                      THEN (coalesce(pgtandem.mongo_time(document -> 'created_at'),
                      pgtandem.mongo_id_time(_id)))
                      WHEN pgtandem.mongo_flaw(source.document -> 'updated_at', 'timestamptz',
                      'date') IS NULL
                      THEN pgtandem.mongo_time(source.document -> 'updated_at') END)::timestamptz
                      FROM (SELECT v_new.*) AS source)
            INTO v_kept;
            IF NOT v_kept THEN
                RAISE EXCEPTION 'the target % did not keep the image of key %', 'app.users',
                    jsonb_build_array(v_new._id)
                    USING ERRCODE = 'TD010',
                          DETAIL = 'A trigger of the target, or the type of a column, changed a '
                                   'value.',
                          HINT = 'Let the mapping say what the target really stores.';
            ELSIF v_kept IS NULL AND TG_OP = 'UPDATE' THEN
                -- It is not, or no longer, in the filter.
                DELETE FROM app.users AS t WHERE t.mongo_id = v_new._id;
                IF v_was IS NOT false AND (NOT FOUND OR pgtandem_users.copy_is_open()
                              OR EXISTS (SELECT FROM pgtandem_users.image AS i
                                         WHERE i.mongo_id = v_new._id)) THEN
                    PERFORM pgtandem.queue('users', jsonb_build_array(v_new._id), 'gone');
                END IF;
            END IF;
        END IF;
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            IF v_sqlstate IN ('55P03', '40P01') THEN
                PERFORM set_config('pgtandem_users.state', 'queue', true);
            END IF;
            PERFORM pgtandem._sync_failed('users',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old._id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new._id) END,
                v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_users.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_users.sync_forward() IS
    'Trigger on staging.users: brings the image of each written row to app.users. '
    'Never fails the write: after 500ms, or on any error, the key goes to pgtandem.recheck.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('staging.users', 'pgtandem_users',
                                          ARRAY['pgtandem_users_write', 'pgtandem_users_update',
                                                'pgtandem_users_moved',
                                                'pgtandem_users_truncate']::text[]);
END;
$do$;
-- PostgreSQL reads a WHEN clause anew for every statement that updates the table, and a list of
-- columns takes it longer than a call of the function: the function looks at the columns itself.
CREATE OR REPLACE TRIGGER pgtandem_users_write
    AFTER INSERT OR DELETE ON staging.users
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_users.sync_forward();
CREATE OR REPLACE TRIGGER pgtandem_users_update
    AFTER UPDATE ON staging.users
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_users.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. users_backfill disables this one.
CREATE OR REPLACE TRIGGER pgtandem_users_moved
    AFTER UPDATE ON staging.users
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_users.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE staging.users
    ENABLE ALWAYS TRIGGER pgtandem_users_write,
    ENABLE ALWAYS TRIGGER pgtandem_users_update,
    ENABLE ALWAYS TRIGGER pgtandem_users_moved;

CREATE OR REPLACE FUNCTION pgtandem_users.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "users" and cannot be truncated',
        'staging.users'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced; or set sync.truncate: follow in the mapping.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_users.truncate_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_users.truncate_source() IS
    'Trigger on staging.users: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'staging.users'::regclass
                   UNION SELECT relid FROM pg_partition_tree('staging.users')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_users.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_users.truncate_source()',
                       'pgtandem_users_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_users_truncate');
    END LOOP;
END;
$leaves$;

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('users');
    PERFORM pgtandem.take_sample('users');
    PERFORM pgtandem.set_phase('users', 'sync');
END;
$do$;

COMMIT;
