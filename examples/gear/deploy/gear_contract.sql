-- Deploy gear:gear_contract to pg
-- requires: gear_backfill
-- requires: pgtandem:contract
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Refused until proven (pgtandem.contract_conditions). Then the old table moves to the schema
-- user_core_archive, with all its rows, and a writable view takes its name. From here on the
-- keys written to gear_ops.gear_items are noted, so that a revert can carry them back.
--
-- Locks: both tables ACCESS EXCLUSIVE until the commit, some milliseconds, asked for in short
-- tries. No rewrite, no scan.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'gear' AND phase IN ('contract')
       ) AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.require_proven('gear');
    PERFORM pgtandem.lock_tables('{"user_core.old_equipment", "gear_ops.gear_items"}',
                                 'ACCESS EXCLUSIVE');
    PERFORM pgtandem.require_hash('gear',
        '373e1b796fb300fcbf1939201bb4457feba818ec39a25cbd2e39a091df82ed25');
    PERFORM pgtandem.require_contract('gear');
    PERFORM pgtandem.require_columns('user_core.old_equipment', ARRAY['id', 'user_id', 'name',
                                     'type', 'brand', 'created_at', 'last_viewed_at']::text[]);
    PERFORM pgtandem.require_generated('user_core.old_equipment', ARRAY[]::text[]);
END;
$do$;

DROP TRIGGER pgtandem_gear_write ON user_core.old_equipment;
DROP TRIGGER pgtandem_gear_update ON user_core.old_equipment;
DROP TRIGGER pgtandem_gear_moved ON user_core.old_equipment;
DROP TRIGGER pgtandem_gear_back_write ON gear_ops.gear_items;
DROP TRIGGER pgtandem_gear_back_update ON gear_ops.gear_items;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_gear'::regnamespace
          AND p.proname IN ('truncate_source', 'truncate_target')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;

CREATE SCHEMA IF NOT EXISTS user_core_archive;
ALTER TABLE user_core.old_equipment SET SCHEMA user_core_archive;

-- What the new table does not hold comes from the archive.
CREATE VIEW user_core.old_equipment AS
SELECT target.id AS id,
       target.user_id AS user_id,
       target.name AS name,
       target.category AS type,
       target.brand AS brand,
       target.created_at AS created_at,
       (SELECT archived.last_viewed_at FROM user_core_archive.old_equipment AS archived
        WHERE archived.id = target.id) AS last_viewed_at
FROM gear_ops.gear_items AS target;
COMMENT ON VIEW user_core.old_equipment IS
    'The old table in its old shape, for who still uses it: reads and writes gear_ops.gear_items.';
DO $do$
BEGIN
    PERFORM pgtandem.dress_view('user_core_archive.old_equipment', 'user_core.old_equipment');
END;
$do$;

CREATE OR REPLACE FUNCTION pgtandem_gear.write_old() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $old$
#variable_conflict use_column
DECLARE
    v_old   ALIAS FOR old;
    v_new   ALIAS FOR new;
    v_was   boolean := TG_OP <> 'INSERT';
    v_is    boolean := true;
    v_found boolean := true;
    v_set   text;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT EXISTS (SELECT FROM user_core_archive.old_equipment AS a
                                        WHERE a.id = v_old.id) THEN
        -- The new application made the row: what only the old table has gets its default.
        INSERT INTO user_core_archive.old_equipment (id, user_id, name, type, brand, created_at)
        OVERRIDING SYSTEM VALUE
        VALUES (v_old.id, v_old.user_id, v_old.name, v_old.type, v_old.brand, v_old.created_at);
        SELECT coalesce(v_old.last_viewed_at, a.last_viewed_at), coalesce(v_new.last_viewed_at,
        a.last_viewed_at)
        INTO v_old.last_viewed_at, v_new.last_viewed_at
        FROM user_core_archive.old_equipment AS a
        WHERE a.id = v_old.id;
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND (v_old.id IS DISTINCT FROM v_new.id)) THEN
        PERFORM FROM user_core_archive.old_equipment AS a
        WHERE a.id = v_new.id FOR UPDATE;
        IF EXISTS (SELECT FROM user_core.old_equipment AS a
                   WHERE a.id = v_new.id) THEN
            RAISE EXCEPTION 'the key % is there already in %',
                jsonb_build_array(v_new.id), 'user_core.old_equipment'
                USING ERRCODE = 'unique_violation';
        END IF;
        -- What the target has deleted since may still stand in the archive.
        DELETE FROM user_core_archive.old_equipment AS a
        WHERE a.id = v_new.id;
    END IF;
    -- The target first, as the revert does. Whether the row is still the one that the statement
    -- read is looked at here, as PostgreSQL does for a table but not for a view.
    IF TG_OP = 'DELETE' THEN
        DELETE FROM gear_ops.gear_items AS t
        WHERE t.id = v_old.id          AND t.user_id IS NOT DISTINCT FROM v_old.user_id
          AND t.name IS NOT DISTINCT FROM v_old.name
          AND t.category IS NOT DISTINCT FROM v_old.type
          AND t.brand IS NOT DISTINCT FROM v_old.brand
          AND t.created_at IS NOT DISTINCT FROM v_old.created_at;
        v_found := FOUND OR NOT EXISTS (SELECT FROM gear_ops.gear_items AS t WHERE t.id = v_old.id);
    ELSE
        IF v_was AND v_is THEN
            UPDATE gear_ops.gear_items AS t
            SET user_id = v_new.user_id,
                name = v_new.name,
                category = v_new.type,
                brand = v_new.brand,
                created_at = v_new.created_at
            WHERE t.id = v_old.id              AND t.user_id IS NOT DISTINCT FROM v_old.user_id
          AND t.name IS NOT DISTINCT FROM v_old.name
          AND t.category IS NOT DISTINCT FROM v_old.type
          AND t.brand IS NOT DISTINCT FROM v_old.brand
          AND t.created_at IS NOT DISTINCT FROM v_old.created_at;
            v_found := FOUND;
            IF v_old.id IS DISTINCT FROM v_new.id THEN
                UPDATE gear_ops.gear_items AS t
                SET id = v_new.id
                WHERE t.id = v_old.id;
            END IF;
        ELSIF v_was THEN
            DELETE FROM gear_ops.gear_items AS t
            WHERE t.id = v_old.id              AND t.user_id IS NOT DISTINCT FROM v_old.user_id
          AND t.name IS NOT DISTINCT FROM v_old.name
          AND t.category IS NOT DISTINCT FROM v_old.type
          AND t.brand IS NOT DISTINCT FROM v_old.brand
          AND t.created_at IS NOT DISTINCT FROM v_old.created_at;
            v_found := FOUND;
        ELSIF v_is THEN
            v_set := set_config('pgtandem_gear.old', 'writes', true);
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
            FROM (SELECT v_new.*) AS source;
            v_set := set_config('pgtandem_gear.old', '', true);
        END IF;
    END IF;
    IF NOT v_found THEN
        RAISE EXCEPTION 'the row % of % was written by another session meanwhile',
            jsonb_build_array(v_old.id), 'user_core.old_equipment'
            USING ERRCODE = '40001', HINT = 'Try again.';
    END IF;
    -- The archive keeps what the old application writes, for the columns that only it has.
    IF TG_OP = 'DELETE' THEN
        DELETE FROM user_core_archive.old_equipment AS a WHERE a.id = v_old.id;
        RETURN OLD;
    END IF;
    v_set := set_config('pgtandem_gear.old', 'writes', true);
    v_found := false;
    IF TG_OP = 'UPDATE' THEN
        IF v_old.id IS DISTINCT FROM v_new.id THEN
            UPDATE user_core_archive.old_equipment AS a
            SET id = v_new.id
            WHERE a.id = v_old.id;
        END IF;
        UPDATE user_core_archive.old_equipment AS a
        SET user_id = CASE WHEN v_old.user_id IS DISTINCT FROM v_new.user_id THEN v_new.user_id
            ELSE a.user_id END,
            name = CASE WHEN v_old.name IS DISTINCT FROM v_new.name THEN v_new.name ELSE a.name END,
            type = CASE WHEN v_old.type IS DISTINCT FROM v_new.type THEN v_new.type ELSE a.type END,
            brand = CASE WHEN v_old.brand IS DISTINCT FROM v_new.brand THEN v_new.brand
                ELSE a.brand END,
            created_at = CASE WHEN v_old.created_at IS DISTINCT FROM v_new.created_at
                THEN v_new.created_at ELSE a.created_at END,
            last_viewed_at = CASE WHEN v_old.last_viewed_at IS DISTINCT FROM v_new.last_viewed_at
                THEN v_new.last_viewed_at ELSE a.last_viewed_at END
        WHERE a.id = v_new.id;
        v_found := FOUND;
    END IF;
    IF NOT v_found THEN
        INSERT INTO user_core_archive.old_equipment (id, user_id, name, type, brand, created_at,
                                                     last_viewed_at)
        OVERRIDING SYSTEM VALUE
        VALUES (v_new.id, v_new.user_id, v_new.name, v_new.type, v_new.brand, v_new.created_at,
                v_new.last_viewed_at);
    END IF;
    v_set := set_config('pgtandem_gear.old', '', true);
    RETURN NEW;
END;
$old$;
REVOKE ALL ON FUNCTION pgtandem_gear.write_old() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.write_old() IS
    'INSTEAD OF trigger of the view user_core.old_equipment. 40001 where another session wrote the '
    'row meanwhile.';
CREATE TRIGGER pgtandem_gear_write_old
    INSTEAD OF INSERT OR UPDATE OR DELETE ON user_core.old_equipment
    FOR EACH ROW EXECUTE FUNCTION pgtandem_gear.write_old();

CREATE OR REPLACE FUNCTION pgtandem_gear.note_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $note$
DECLARE
    v_before text := current_setting('pgtandem_gear.old', true);
BEGIN
    IF TG_OP <> 'INSERT' THEN
        IF TG_OP = 'DELETE' OR OLD.id IS DISTINCT FROM NEW.id THEN
            BEGIN
                IF TG_OP = 'UPDATE' THEN
                    -- What only the old table has of a row goes along with its key.
                    PERFORM set_config('pgtandem_gear.old', 'writes', true);
                    UPDATE user_core_archive.old_equipment AS source
                    SET id = NEW.id
                    WHERE source.id = OLD.id
                      AND NOT EXISTS (SELECT FROM user_core_archive.old_equipment AS a
                                      WHERE a.id = NEW.id)
                      AND NOT EXISTS (SELECT FROM gear_ops.gear_items AS t
                                      WHERE t.id = OLD.id);
                    PERFORM set_config('pgtandem_gear.old', coalesce(v_before, ''), true);
                END IF;
                -- It must not come back, nor hold on to rows of other tables that it refers to.
                DELETE FROM user_core_archive.old_equipment AS source
                WHERE source.id = OLD.id
                  AND NOT EXISTS (SELECT FROM gear_ops.gear_items AS t
                                  WHERE t.id = OLD.id);
            EXCEPTION
                WHEN generated_always OR data_exception OR integrity_constraint_violation THEN
                    NULL;  -- the revert does it, or says why it cannot
            END;
        END IF;
        PERFORM pgtandem.queue('gear', jsonb_build_array(OLD.id), 'contract', 'source');
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND (OLD.id IS DISTINCT FROM NEW.id)) THEN
        PERFORM pgtandem.queue('gear', jsonb_build_array(NEW.id), 'contract', 'source');
    END IF;
    RETURN NULL;
END;
$note$;
REVOKE ALL ON FUNCTION pgtandem_gear.note_written() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.note_written() IS
    'Trigger on gear_ops.gear_items: notes each key that is written after contract, for its '
    'revert.';
CREATE TRIGGER pgtandem_gear_note_write
    AFTER INSERT OR DELETE ON gear_ops.gear_items
    FOR EACH ROW EXECUTE FUNCTION pgtandem_gear.note_written();
CREATE TRIGGER pgtandem_gear_note_update
    AFTER UPDATE ON gear_ops.gear_items
    FOR EACH ROW
    WHEN (OLD.id IS DISTINCT FROM NEW.id
          OR OLD.user_id IS DISTINCT FROM NEW.user_id
          OR OLD.name IS DISTINCT FROM NEW.name
          OR OLD.category IS DISTINCT FROM NEW.category
          OR OLD.brand IS DISTINCT FROM NEW.brand
          OR OLD.created_at IS DISTINCT FROM NEW.created_at)
    EXECUTE FUNCTION pgtandem_gear.note_written();
ALTER TABLE gear_ops.gear_items
    ENABLE ALWAYS TRIGGER pgtandem_gear_note_write,
    ENABLE ALWAYS TRIGGER pgtandem_gear_note_update;
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

-- The rows of the archive may be older than those of the target, also in what they refer to: a
-- cascade goes by the target, where it has the row.
CREATE OR REPLACE FUNCTION pgtandem_gear.keep_archived() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $keep$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION '% is the archive of the mapping "gear" and cannot be truncated',
            TG_RELID::regclass
            USING ERRCODE = 'TD014', HINT = 'The revert of contract needs it.';
    END IF;
    IF pg_trigger_depth() > 1
       AND current_setting('pgtandem_gear.old', true) IS DISTINCT FROM 'writes'
       AND EXISTS (SELECT FROM gear_ops.gear_items AS t
                   WHERE t.id = OLD.id) THEN
        RETURN NULL;
    END IF;
    RETURN OLD;
END;
$keep$;
REVOKE ALL ON FUNCTION pgtandem_gear.keep_archived() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.keep_archived() IS
    'Trigger on user_core_archive.old_equipment: no cascade and no TRUNCATE takes away a row that '
    'the target still has. TD014.';
CREATE TRIGGER pgtandem_gear_keep
    BEFORE DELETE ON user_core_archive.old_equipment
    FOR EACH ROW EXECUTE FUNCTION pgtandem_gear.keep_archived();
CREATE TRIGGER pgtandem_gear_keep_all
    BEFORE TRUNCATE ON user_core_archive.old_equipment
    FOR EACH STATEMENT EXECUTE FUNCTION pgtandem_gear.keep_archived();
ALTER TABLE user_core_archive.old_equipment
    ENABLE ALWAYS TRIGGER pgtandem_gear_keep,
    ENABLE ALWAYS TRIGGER pgtandem_gear_keep_all;

-- For the revert: one key of the archive made equal to the target.
CREATE OR REPLACE FUNCTION pgtandem_gear.settle_source(p_key jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
#variable_conflict use_column
DECLARE
    v_key1 gear_ops.gear_items.id%TYPE := (p_key ->> 0)::uuid;
    v_new  gear_ops.gear_items;
    v_kept boolean;
BEGIN
    PERFORM FROM gear_ops.gear_items AS t WHERE t.id = v_key1 FOR UPDATE;
    SELECT t.* INTO v_new FROM gear_ops.gear_items AS t WHERE t.id = v_key1;
    IF NOT FOUND THEN
        DELETE FROM user_core_archive.old_equipment AS source
        WHERE source.id = v_key1;
        RETURN;
    END IF;
    UPDATE user_core_archive.old_equipment AS source
    SET user_id = CASE WHEN source.user_id IS NOT DISTINCT FROM v_new.user_id
            THEN source.user_id ELSE v_new.user_id END,
        name = CASE WHEN source.name IS NOT DISTINCT FROM v_new.name
            THEN source.name ELSE v_new.name END,
        type = CASE WHEN source.type IS NOT DISTINCT FROM v_new.category
            THEN source.type ELSE v_new.category END,
        brand = CASE WHEN source.brand IS NOT DISTINCT FROM v_new.brand
            THEN source.brand ELSE v_new.brand END,
        created_at = CASE WHEN source.created_at IS NOT DISTINCT FROM v_new.created_at
            THEN source.created_at ELSE v_new.created_at END
    WHERE source.id = v_key1
    RETURNING source.id IS NOT DISTINCT FROM v_new.id
          AND source.user_id IS NOT DISTINCT FROM v_new.user_id
          AND source.name IS NOT DISTINCT FROM v_new.name
          AND source.type IS NOT DISTINCT FROM v_new.category
          AND source.brand IS NOT DISTINCT FROM v_new.brand
          AND source.created_at IS NOT DISTINCT FROM v_new.created_at
    INTO v_kept;
    IF NOT FOUND THEN
        INSERT INTO user_core_archive.old_equipment AS source
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
    END IF;
    IF NOT v_kept THEN
        RAISE EXCEPTION 'the source % cannot hold the row % of %',
            'user_core_archive.old_equipment', p_key,
            'gear_ops.gear_items'
            USING ERRCODE = 'TD011',
                  DETAIL = 'A value does not survive the way there and back, or leaves the filter.',
                  HINT = 'Write a value that the old side can hold, then revert again.';
    END IF;
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_gear.settle_source(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_gear.settle_source(jsonb) IS
    'After contract: makes the archive hold what the target holds under one key. TD011.';

DO $do$
BEGIN
    PERFORM pgtandem.set_phase('gear', 'contract');
END;
$do$;

COMMIT;
