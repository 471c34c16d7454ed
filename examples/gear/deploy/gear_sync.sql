-- Deploy gear:gear_sync to pg
-- requires: gear_expand
-- requires: pgtandem:drain
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of user_core.old_equipment reaches gear_ops.gear_items, and the other way
-- round. Opens the copy: what was there before is still to be backfilled.
--
-- Locks: both tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers wait,
-- readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
-- The image without what is computed once.
CREATE VIEW pgtandem_gear.kept AS
SELECT source.id AS id,
       source.user_id AS user_id,
       source.name AS name,
       source.type AS category,
       source.brand AS brand,
       source.created_at AS created_at
FROM user_core.old_equipment AS source;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"user_core.old_equipment", "gear_ops.gear_items"}',
                                 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('gear',
        '373e1b796fb300fcbf1939201bb4457feba818ec39a25cbd2e39a091df82ed25');
    PERFORM pgtandem.require_unique('gear_ops.gear_items', ARRAY['id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_gear.image', 'user_core.old_equipment',
                                  ARRAY['id', 'user_id', 'name', 'type', 'brand',
                                        'created_at']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_gear.kept', '{"user_core.old_equipment"}');
    PERFORM pgtandem.require_immediate('gear_ops.gear_items');
END;
$do$;
DROP VIEW pgtandem_gear.kept;

CREATE OR REPLACE FUNCTION pgtandem_gear.copy_is_open() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- What an old snapshot does not see counts as open: a needless entry in the queue harms nobody.
    SELECT NOT EXISTS (SELECT FROM pgtandem.mapping
                       WHERE name = 'gear' AND copy_state = 'complete');
$$;
COMMENT ON FUNCTION pgtandem_gear.copy_is_open() IS
    'Whether a chunk may be in flight, so that whatever takes an image away must queue its key.';

CREATE OR REPLACE FUNCTION pgtandem_gear.was_contracted() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- True only for a snapshot that is older than a revert of contract.
    SELECT EXISTS (SELECT FROM pgtandem.mapping WHERE name = 'gear' AND phase = 'contract');
$$;
REVOKE ALL ON FUNCTION pgtandem_gear.was_contracted() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.was_contracted() IS
    'Whether the caller''s snapshot still shows the mapping contracted: it does not see the '
    'source.';

-- One key of the queue: hold the target's row, then read the image in a statement of its own. Never
-- the other way round: a re-insert of the key would be lost.
CREATE OR REPLACE FUNCTION pgtandem_gear.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 gear_ops.gear_items.id%TYPE := (p_key ->> 0)::uuid;
    v_result text;
BEGIN
    FOR v_try IN 1..20 LOOP
        PERFORM FROM gear_ops.gear_items AS t
        WHERE t.id = v_key1
        FOR UPDATE;
        IF FOUND THEN
            UPDATE gear_ops.gear_items AS t
            SET user_id = i.user_id,
                name = i.name,
                category = i.category,
                brand = i.brand,
                created_at = i.created_at
            FROM pgtandem_gear.image AS i
            WHERE t.id = v_key1 AND i.id = v_key1
              AND (t.user_id IS DISTINCT FROM i.user_id
                   OR t.name IS DISTINCT FROM i.name
                   OR t.category IS DISTINCT FROM i.category
                   OR t.brand IS DISTINCT FROM i.brand
                   OR t.created_at IS DISTINCT FROM i.created_at);
            IF FOUND THEN
                v_result := 'updated';
                EXIT;
            END IF;
            DELETE FROM gear_ops.gear_items AS t
            WHERE t.id = v_key1
              AND NOT EXISTS (SELECT FROM pgtandem_gear.image AS i WHERE i.id = v_key1);
            RETURN CASE WHEN FOUND THEN 'deleted' ELSE 'equal' END;
        END IF;
        INSERT INTO gear_ops.gear_items AS t
            (id, user_id, name, category, brand, created_at, status, role, updated_at)
        OVERRIDING SYSTEM VALUE
        SELECT i.id, i.user_id, i.name, i.category, i.brand, i.created_at, i.status, i.role,
            i.updated_at
        FROM pgtandem_gear.image AS i
        WHERE i.id = v_key1
        ON CONFLICT (id) DO NOTHING;
        IF FOUND THEN
            v_result := 'inserted';
            EXIT;
        END IF;
        PERFORM FROM pgtandem_gear.image AS i WHERE i.id = v_key1;
        IF NOT FOUND THEN
            RETURN 'equal';
        END IF;
        -- Somebody inserted the row between our two statements: hold it, and look again.
    END LOOP;
    IF v_result IS NULL OR EXISTS (
           SELECT FROM gear_ops.gear_items AS t, pgtandem_gear.image AS i
           WHERE t.id = v_key1 AND i.id = v_key1
             AND (t.user_id IS DISTINCT FROM i.user_id
                  OR t.name IS DISTINCT FROM i.name
                  OR t.category IS DISTINCT FROM i.category
                  OR t.brand IS DISTINCT FROM i.brand
                  OR t.created_at IS DISTINCT FROM i.created_at)) THEN
        RAISE EXCEPTION 'the target % does not keep the image of key %', 'gear_ops.gear_items',
            p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the target really stores.';
    END IF;
    RETURN v_result;
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_gear.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.settle(jsonb) IS
    'Makes the target hold the image of one key: inserted, updated, deleted or equal. TD010. '
    'Called by pgtandem._settle, which marks the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_gear.chunk_keys(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $chunk_keys$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT jsonb_build_array(source.id)
        FROM ONLY %s AS source
        WHERE source.ctid >= $1 AND source.ctid < $2
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_gear.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

CREATE OR REPLACE FUNCTION pgtandem_gear.queue_extra() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $queue_extra$
    INSERT INTO pgtandem.recheck (mapping, key, reason)
    SELECT 'gear', jsonb_build_array(t.id), 'gone'
    FROM gear_ops.gear_items AS t
    WHERE NOT EXISTS (SELECT FROM pgtandem_gear.image AS i
                      WHERE i.id = t.id);
$queue_extra$;
REVOKE ALL ON FUNCTION pgtandem_gear.queue_extra() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.queue_extra() IS
    'Queues the keys of the target that have no image. Called by pgtandem._sweep, once a copy over '
    'a target that had rows.';

-- Rows go in sorted by the key of the target, whose index then grows in order.
CREATE OR REPLACE FUNCTION pgtandem_gear.copy_chunk(
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
            SELECT source.id AS id,
                   source.user_id AS user_id,
                   source.name AS name,
                   source.type AS category,
                   source.brand AS brand,
                   source.created_at AS created_at,
                   'active' AS status,
                   'personal' AS role,
                   source.created_at AS updated_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
            FOR NO KEY UPDATE OF source)
            INSERT INTO gear_ops.gear_items AS t
                (id, user_id, name, category, brand, created_at, status, role, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.id, i.user_id, i.name, i.category, i.brand, i.created_at, i.status, i.role,
                i.updated_at
            FROM image AS i
            ORDER BY i.id
            ON CONFLICT (id) DO UPDATE
                SET user_id = excluded.user_id,
                    name = excluded.name,
                    category = excluded.category,
                    brand = excluded.brand,
                    created_at = excluded.created_at
                WHERE t.user_id IS DISTINCT FROM excluded.user_id
                   OR t.name IS DISTINCT FROM excluded.name
                   OR t.category IS DISTINCT FROM excluded.category
                   OR t.brand IS DISTINCT FROM excluded.brand
                   OR t.created_at IS DISTINCT FROM excluded.created_at
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO gear_ops.gear_items
                (id, user_id, name, category, brand, created_at, status, role, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.id,
                   source.user_id,
                   source.name,
                   source.type,
                   source.brand,
                   source.created_at,
                   'active',
                   'personal',
                   source.created_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
            ORDER BY source.id
        $insert$
        ELSE $skip$
            INSERT INTO gear_ops.gear_items
                (id, user_id, name, category, brand, created_at, status, role, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.id,
                   source.user_id,
                   source.name,
                   source.type,
                   source.brand,
                   source.created_at,
                   'active',
                   'personal',
                   source.created_at
            FROM ONLY %s AS source
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND NOT EXISTS (SELECT FROM gear_ops.gear_items AS t
                              WHERE t.id = source.id)
            ORDER BY source.id
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (id) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_gear.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.copy_chunk(regclass, bigint, bigint, text) IS
    'Copies a range of blocks; returns the rows written. Strategies: insert (none is there), skip '
    '(those there are right), ignore (likewise, with writers at work), overwrite (lock and '
    'replace). Called by pgtandem._copy_chunk, which marks the write as ours.';

-- A write of the source: bring its image to the target.
CREATE OR REPLACE FUNCTION pgtandem_gear.sync_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $forward$
#variable_conflict use_column
DECLARE
    v_old      ALIAS FOR old;
    v_new      ALIAS FOR new;
    v_depth    text;
    v_set      text;
    v_kept     boolean;
    v_was      boolean;  -- in the filter, NULL where there is none
    v_found    boolean;
    v_sqlstate text;
    v_message  text;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.id IS DISTINCT FROM NEW.id
                                 OR OLD.user_id IS DISTINCT FROM NEW.user_id
                                 OR OLD.name IS DISTINCT FROM NEW.name
                                 OR OLD.type IS DISTINCT FROM NEW.type
                                 OR OLD.brand IS DISTINCT FROM NEW.brand
                                 OR OLD.created_at IS DISTINCT FROM NEW.created_at) THEN
        -- Nothing that is mapped. The trigger pgtandem_gear_moved is for rows that change block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        -- pgtandem_gear_update brings it over; but what the way back wrote is brought by nobody,
        -- and a copy that overwrites has to see it where it is now.
        IF current_setting('pgtandem_gear.depth', true) = (pg_trigger_depth() - 1)::text
           AND (v_old.ctid::text::point)[0] <> (v_new.ctid::text::point)[0] THEN
            PERFORM pgtandem.queue('gear', jsonb_build_array(v_new.id), 'copy');
        END IF;
        RETURN NULL;
    END IF;

    -- One look for what is rare: PL/pgSQL pays for each expression anew in each transaction.
    IF current_setting('pgtandem_gear.state', true) <> '' OR pg_trigger_depth() > 1 THEN
        IF current_setting('pgtandem_gear.state', true) = 'queue' THEN
            -- This transaction has waited for the target once; it does not wait again.
            PERFORM pgtandem._sync_failed('gear',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old.id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new.id) END,
                '55P03', 'queued: an earlier write of the transaction had to give way');
            RETURN NULL;
        END IF;
        -- Triggers of the application that write this table again run between the rows of a
        -- statement. Where that has happened, NEW may be older than the row: read the row.
        IF current_setting('pgtandem_gear.state', true) = 'nested' AND TG_OP <> 'DELETE' THEN
            SELECT s.id, s.user_id, s.name, s.type, s.brand, s.created_at
            INTO v_new.id, v_new.user_id, v_new.name, v_new.type, v_new.brand, v_new.created_at
            FROM user_core.old_equipment AS s
            WHERE s.id = v_new.id;
            IF NOT FOUND THEN
                IF TG_OP = 'UPDATE' THEN
                    -- What took it from its new key did not know of its old one.
                    PERFORM pgtandem.queue('gear', jsonb_build_array(v_old.id), 'gone');
                END IF;
                RETURN NULL;
            END IF;
        ELSIF pg_trigger_depth() > 1 THEN
            PERFORM set_config('pgtandem_gear.state', 'nested', true);
        END IF;
    END IF;

    BEGIN
        -- An assignment, not PERFORM: it needs no executor of its own.
        v_depth := current_setting('pgtandem_gear.depth', true);
        v_set := set_config('pgtandem_gear.depth', pg_trigger_depth()::text, true);
        IF TG_OP = 'DELETE' THEN
            DELETE FROM gear_ops.gear_items AS t
            WHERE t.id = v_old.id
              AND NOT EXISTS (SELECT FROM pgtandem_gear.image AS i WHERE i.id = v_old.id);
            IF v_was IS NOT false AND (NOT FOUND OR pgtandem_gear.copy_is_open()
                          OR EXISTS (SELECT FROM pgtandem_gear.image AS i WHERE i.id = v_old.id))
               AND NOT pgtandem._cascades('gear_ops.gear_items', ARRAY['id']::text[],
                                          'user_core.old_equipment', ARRAY['id']::text[]) THEN
                -- A chunk in flight may still put it back, or, where the source has no unique key,
                -- another row have taken its place just now.
                PERFORM pgtandem.queue('gear', jsonb_build_array(v_old.id), 'gone');
            END IF;
        ELSE
            IF TG_OP = 'UPDATE' AND (v_old.id IS DISTINCT FROM v_new.id) THEN
                -- Keep what the new application owns of the row, unless the new key is taken.
                UPDATE gear_ops.gear_items AS t
                SET id = v_new.id
                WHERE t.id = v_old.id
                  AND NOT EXISTS (SELECT FROM gear_ops.gear_items AS o WHERE o.id = v_new.id)
                  AND NOT EXISTS (SELECT FROM pgtandem_gear.image AS i WHERE i.id = v_old.id);
                v_found := FOUND;
                IF NOT v_found THEN
                    DELETE FROM gear_ops.gear_items AS t
                    WHERE t.id = v_old.id
                      AND NOT EXISTS (SELECT FROM pgtandem_gear.image AS i WHERE i.id = v_old.id);
                    v_found := FOUND;
                END IF;
                IF v_was IS NOT false AND (NOT v_found OR pgtandem_gear.copy_is_open()
                              OR EXISTS (SELECT FROM pgtandem_gear.image AS i
                                         WHERE i.id = v_old.id)) THEN
                    PERFORM pgtandem.queue('gear', jsonb_build_array(v_old.id), 'gone');
                    PERFORM pgtandem.queue('gear', jsonb_build_array(v_new.id), 'gone');
                END IF;
            END IF;
            INSERT INTO gear_ops.gear_items AS t
                (id, user_id, name, category, brand, created_at, status, role, updated_at)
            OVERRIDING SYSTEM VALUE
            VALUES (v_new.id,
                    v_new.user_id,
                    v_new.name,
                    v_new.type,
                    v_new.brand,
                    v_new.created_at,
                    'active',
                    'personal',
                    v_new.created_at)
            ON CONFLICT (id) DO UPDATE
                SET user_id = excluded.user_id,
                    name = excluded.name,
                    category = excluded.category,
                    brand = excluded.brand,
                    created_at = excluded.created_at
            RETURNING t.id IS NOT DISTINCT FROM v_new.id
                  AND t.user_id IS NOT DISTINCT FROM v_new.user_id
                  AND t.name IS NOT DISTINCT FROM v_new.name
                  AND t.category IS NOT DISTINCT FROM v_new.type
                  AND t.brand IS NOT DISTINCT FROM v_new.brand
                  AND t.created_at IS NOT DISTINCT FROM v_new.created_at
            INTO v_kept;
            IF NOT v_kept THEN
                RAISE EXCEPTION 'the target % did not keep the image of key %',
                    'gear_ops.gear_items',
                    jsonb_build_array(v_new.id)
                    USING ERRCODE = 'TD010',
                          DETAIL = 'A trigger of the target, or the type of a column, changed a '
                                   'value.',
                          HINT = 'Let the mapping say what the target really stores.';
            END IF;
        END IF;
        v_set := set_config('pgtandem_gear.depth', v_depth, true);
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            IF v_sqlstate IN ('55P03', '40P01') THEN
                PERFORM set_config('pgtandem_gear.state', 'queue', true);
            END IF;
            PERFORM pgtandem._sync_failed('gear',
                CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_array(v_old.id) END,
                CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_array(v_new.id) END,
                v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_gear.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.sync_forward() IS
    'Trigger on user_core.old_equipment: brings the image of each written row to '
    'gear_ops.gear_items. Never fails the write: after 500ms, or on any error, the key goes to '
    'pgtandem.recheck.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('user_core.old_equipment', 'pgtandem_gear',
                                          ARRAY['pgtandem_gear_write', 'pgtandem_gear_update',
                                                'pgtandem_gear_moved',
                                                'pgtandem_gear_truncate']::text[]);
END;
$do$;
-- PostgreSQL reads a WHEN clause anew for every statement that updates the table, and a list of
-- columns takes it longer than a call of the function: the function looks at the columns itself.
CREATE OR REPLACE TRIGGER pgtandem_gear_write
    AFTER INSERT OR DELETE ON user_core.old_equipment
    FOR EACH ROW
    WHEN (current_setting('pgtandem_gear.depth', true) IS DISTINCT FROM pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_gear.sync_forward();
CREATE OR REPLACE TRIGGER pgtandem_gear_update
    AFTER UPDATE ON user_core.old_equipment
    FOR EACH ROW
    WHEN (current_setting('pgtandem_gear.depth', true) IS DISTINCT FROM pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_gear.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. gear_backfill disables this one.
CREATE OR REPLACE TRIGGER pgtandem_gear_moved
    AFTER UPDATE ON user_core.old_equipment
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_gear.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE user_core.old_equipment
    ENABLE ALWAYS TRIGGER pgtandem_gear_write,
    ENABLE ALWAYS TRIGGER pgtandem_gear_update,
    ENABLE ALWAYS TRIGGER pgtandem_gear_moved;

CREATE OR REPLACE FUNCTION pgtandem_gear.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "gear" and cannot be truncated',
        'user_core.old_equipment'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced; or set sync.truncate: follow in the mapping.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_gear.truncate_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.truncate_source() IS
    'Trigger on user_core.old_equipment: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'user_core.old_equipment'::regclass
                   UNION SELECT relid FROM pg_partition_tree('user_core.old_equipment')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_gear.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_gear.truncate_source()',
                       'pgtandem_gear_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_gear_truncate');
    END LOOP;
END;
$leaves$;

-- A write of the target: bring it back to the source, in the same transaction or not at all. The
-- source stays the truth until contract, so a write that it cannot take is refused here.
CREATE OR REPLACE FUNCTION pgtandem_gear.sync_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $back$
#variable_conflict use_column
DECLARE
    v_old   ALIAS FOR old;
    v_new   ALIAS FOR new;
    v_depth text;
    v_set   text;
    v_op    text := TG_OP;
    v_kept  boolean;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.id IS DISTINCT FROM NEW.id
                                 OR OLD.user_id IS DISTINCT FROM NEW.user_id
                                 OR OLD.name IS DISTINCT FROM NEW.name
                                 OR OLD.category IS DISTINCT FROM NEW.category
                                 OR OLD.brand IS DISTINCT FROM NEW.brand
                                 OR OLD.created_at IS DISTINCT FROM NEW.created_at) THEN
        RETURN NULL;
    END IF;
    -- As in sync_forward: a trigger of the application may have written the row again meanwhile.
    IF current_setting('pgtandem_gear.state', true) <> '' OR pg_trigger_depth() > 1 THEN
        IF current_setting('pgtandem_gear.state', true) = 'nested' AND TG_OP <> 'DELETE' THEN
            SELECT t.id, t.user_id, t.name, t.category, t.brand, t.status, t.role, t.created_at,
                t.updated_at
            INTO v_new.id, v_new.user_id, v_new.name, v_new.category, v_new.brand, v_new.status,
                v_new.role, v_new.created_at, v_new.updated_at
            FROM gear_ops.gear_items AS t
            WHERE t.id = v_new.id;
            IF NOT FOUND OR (TG_OP = 'INSERT' AND EXISTS (
                   SELECT FROM pgtandem_gear.image AS i
                   WHERE i.id = v_new.id
                     AND i.user_id IS NOT DISTINCT FROM v_new.user_id
                     AND i.name IS NOT DISTINCT FROM v_new.name
                     AND i.category IS NOT DISTINCT FROM v_new.category
                     AND i.brand IS NOT DISTINCT FROM v_new.brand
                     AND i.created_at IS NOT DISTINCT FROM v_new.created_at)) THEN
                RETURN NULL;
            END IF;
        ELSIF pg_trigger_depth() > 1 THEN
            PERFORM set_config('pgtandem_gear.state', 'nested', true);
        END IF;
        IF TG_OP = 'UPDATE' AND current_setting('pgtandem_gear.state', true) = 'nested'
           AND NOT EXISTS (SELECT FROM user_core.old_equipment AS source
                           WHERE source.id = v_old.id) THEN
            v_op := 'INSERT';  -- its INSERT is still waiting behind the trigger that updates it
            IF EXISTS (SELECT FROM pgtandem.recheck AS r
                       WHERE r.mapping = 'gear' AND r.key = jsonb_build_array(v_old.id)) THEN
                RAISE EXCEPTION 'the row % of % is being deleted in %', jsonb_build_array(v_old.id),
                    'gear_ops.gear_items', 'user_core.old_equipment'
                    USING ERRCODE = '40001', HINT = 'Try again.';
            END IF;
        END IF;
    END IF;
    v_depth := current_setting('pgtandem_gear.depth', true);
    v_set := set_config('pgtandem_gear.depth', pg_trigger_depth()::text, true);
    IF v_op = 'INSERT' THEN
        INSERT INTO user_core.old_equipment AS source
            (id, user_id, name, type, brand, created_at)
        OVERRIDING SYSTEM VALUE
        VALUES (v_new.id,
                v_new.user_id,
                v_new.name,
                v_new.category,
                v_new.brand,
                v_new.created_at)
        RETURNING source.id IS NOT DISTINCT FROM v_new.id
              AND source.user_id IS NOT DISTINCT FROM v_new.user_id
              AND source.name IS NOT DISTINCT FROM v_new.name
              AND source.type IS NOT DISTINCT FROM v_new.category
              AND source.brand IS NOT DISTINCT FROM v_new.brand
              AND source.created_at IS NOT DISTINCT FROM v_new.created_at
        INTO v_kept;
    ELSIF v_op = 'UPDATE' THEN
        IF v_old.id IS DISTINCT FROM v_new.id THEN
            UPDATE user_core.old_equipment AS source
            SET id = v_new.id
            WHERE source.id = v_old.id;
        END IF;
        -- Only what changed: the rest of the row may be newer over there.
        UPDATE user_core.old_equipment AS source
        SET user_id = CASE WHEN v_old.user_id IS DISTINCT FROM v_new.user_id
                THEN v_new.user_id ELSE source.user_id END,
            name = CASE WHEN v_old.name IS DISTINCT FROM v_new.name
                THEN v_new.name ELSE source.name END,
            type = CASE WHEN v_old.category IS DISTINCT FROM v_new.category
                THEN v_new.category ELSE source.type END,
            brand = CASE WHEN v_old.brand IS DISTINCT FROM v_new.brand
                THEN v_new.brand ELSE source.brand END,
            created_at = CASE WHEN v_old.created_at IS DISTINCT FROM v_new.created_at
                THEN v_new.created_at ELSE source.created_at END
        WHERE source.id = v_new.id
        RETURNING (v_old.id IS NOT DISTINCT FROM v_new.id
                   OR source.id IS NOT DISTINCT FROM v_new.id)
              AND (v_old.user_id IS NOT DISTINCT FROM v_new.user_id
                   OR source.user_id IS NOT DISTINCT FROM v_new.user_id)
              AND (v_old.name IS NOT DISTINCT FROM v_new.name
                   OR source.name IS NOT DISTINCT FROM v_new.name)
              AND (v_old.category IS NOT DISTINCT FROM v_new.category
                   OR source.type IS NOT DISTINCT FROM v_new.category)
              AND (v_old.brand IS NOT DISTINCT FROM v_new.brand
                   OR source.brand IS NOT DISTINCT FROM v_new.brand)
              AND (v_old.created_at IS NOT DISTINCT FROM v_new.created_at
                   OR source.created_at IS NOT DISTINCT FROM v_new.created_at)
        INTO v_kept;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the row % of % has no row in %', jsonb_build_array(v_old.id),
                'gear_ops.gear_items', 'user_core.old_equipment'
                USING ERRCODE = CASE WHEN EXISTS (
                          SELECT FROM pgtandem.recheck AS r
                          WHERE r.mapping = 'gear' AND r.key = jsonb_build_array(v_old.id))
                          OR pgtandem_gear.was_contracted()
                      THEN '40001' ELSE 'TD013' END,
                      HINT = 'It is being deleted there (try again), or was never there: pgtandem '
                             'verify gear';
        END IF;
        -- Two IFs: an expression with a subquery is an SQL statement, and would run at each write.
        IF v_old.id IS DISTINCT FROM v_new.id THEN
            IF pgtandem_gear.copy_is_open()
               OR EXISTS (SELECT FROM pgtandem.recheck AS r
                          WHERE r.mapping = 'gear' AND r.key = jsonb_build_array(v_old.id)) THEN
                PERFORM pgtandem.queue('gear', jsonb_build_array(v_old.id), 'gone');
                PERFORM pgtandem.queue('gear', jsonb_build_array(v_new.id), 'gone');
            END IF;
        END IF;
    ELSE
        DELETE FROM user_core.old_equipment AS source
        WHERE source.id = v_old.id
          AND NOT EXISTS (SELECT FROM gear_ops.gear_items AS t
                          WHERE t.id = v_old.id);
        IF NOT FOUND AND pgtandem_gear.was_contracted() THEN
            RAISE EXCEPTION 'the source % of % has come back from its archive meanwhile',
                'user_core.old_equipment', 'gear_ops.gear_items'
                USING ERRCODE = '40001', HINT = 'Try again.';
        END IF;
        IF pgtandem_gear.copy_is_open() THEN
            PERFORM pgtandem.queue('gear', jsonb_build_array(v_old.id), 'gone');
        END IF;
    END IF;
    IF NOT v_kept THEN
        RAISE EXCEPTION 'the source % cannot hold the row % of %', 'user_core.old_equipment',
            jsonb_build_array(v_new.id), 'gear_ops.gear_items'
            USING ERRCODE = CASE WHEN v_op = 'UPDATE' AND EXISTS (
                      SELECT FROM pgtandem.recheck AS r
                      WHERE r.mapping = 'gear' AND r.key = jsonb_build_array(v_old.id))
                  THEN '40001' ELSE 'TD011' END,
                  DETAIL = 'A value does not survive the way there and back, or leaves the filter.',
                  HINT = 'Write a value that the old side can hold, or change the mapping.';
    END IF;
    v_set := set_config('pgtandem_gear.depth', v_depth, true);
    RETURN NULL;
END;
$back$;
REVOKE ALL ON FUNCTION pgtandem_gear.sync_back() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.sync_back() IS
    'Trigger on gear_ops.gear_items: brings what changed back to user_core.old_equipment. TD011 a '
    'value that does not survive, TD013 a row without a source.';

CREATE OR REPLACE TRIGGER pgtandem_gear_back_write
    AFTER INSERT OR DELETE ON gear_ops.gear_items
    FOR EACH ROW
    WHEN (current_setting('pgtandem_gear.depth', true) IS DISTINCT FROM pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_gear.sync_back();
CREATE OR REPLACE TRIGGER pgtandem_gear_back_update
    AFTER UPDATE ON gear_ops.gear_items
    FOR EACH ROW
    WHEN (current_setting('pgtandem_gear.depth', true) IS DISTINCT FROM pg_trigger_depth()::text)
    EXECUTE FUNCTION pgtandem_gear.sync_back();
ALTER TABLE gear_ops.gear_items
    ENABLE ALWAYS TRIGGER pgtandem_gear_back_write,
    ENABLE ALWAYS TRIGGER pgtandem_gear_back_update;

CREATE OR REPLACE FUNCTION pgtandem_gear.truncate_target() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "gear" and cannot be truncated',
        'gear_ops.gear_items'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_gear.truncate_target() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.truncate_target() IS
    'Trigger on gear_ops.gear_items: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'gear_ops.gear_items'::regclass
                   UNION SELECT relid FROM pg_partition_tree('gear_ops.gear_items')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_gear.depth'', true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_gear.truncate_target()',
                       'pgtandem_gear_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_gear_truncate');
    END LOOP;
END;
$leaves$;

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('gear');
    PERFORM pgtandem.take_sample('gear');
    PERFORM pgtandem.set_phase('gear', 'sync');
END;
$do$;

COMMIT;
