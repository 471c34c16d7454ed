-- Revert gear:gear_contract from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Carries back what was written since contract, then puts the old table in its place and the
-- sync to work. Writers go on meanwhile. It has no BEGIN at first, as it carries back batch by
-- batch; what is left then is carried back under the lock.
--
-- Locks: both tables and the view ACCESS EXCLUSIVE until the commit, for the last few keys;
-- asked for in short tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT NOT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'gear' AND phase IN ('contract')
       ) AS done \gset
\if :done
    \quit
\endif

-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
CALL pgtandem.carry_back('gear');

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"user_core.old_equipment", "gear_ops.gear_items", '
                                 '"user_core_archive.old_equipment"}', 'ACCESS EXCLUSIVE');
    PERFORM pgtandem.carry_back_rest('gear');
    PERFORM pgtandem.undress_view('user_core.old_equipment', 'user_core_archive.old_equipment');
END;
$do$;

DROP VIEW user_core.old_equipment;
DROP TRIGGER pgtandem_gear_note_write ON gear_ops.gear_items;
DROP TRIGGER pgtandem_gear_note_update ON gear_ops.gear_items;
DROP TRIGGER pgtandem_gear_keep ON user_core_archive.old_equipment;
DROP TRIGGER pgtandem_gear_keep_all ON user_core_archive.old_equipment;
DROP FUNCTION pgtandem_gear.keep_archived();
DROP FUNCTION pgtandem_gear.note_written();
DROP FUNCTION pgtandem_gear.write_old();
DROP FUNCTION pgtandem_gear.settle_source(jsonb);
ALTER TABLE user_core_archive.old_equipment SET SCHEMA user_core;
DO $archive$
BEGIN
    DROP SCHEMA user_core_archive;
EXCEPTION
    WHEN dependent_objects_still_exist OR insufficient_privilege THEN
        NULL;  -- other things live there
END;
$archive$;

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

ALTER TABLE user_core.old_equipment DISABLE TRIGGER pgtandem_gear_moved;

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
    PERFORM pgtandem.set_phase('gear', 'backfill');
END;
$do$;

COMMIT;
