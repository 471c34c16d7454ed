-- The competitors of the sync triggers, as a careful DBA writes them for this one pair of tables
-- after having measured: no WHEN clause, which is parsed anew for each statement, one look at the
-- columns, one static upsert.

CREATE SCHEMA hand;

CREATE TABLE hand.failure (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item       uuid NOT NULL,
    sqlstate   text NOT NULL,
    message    text NOT NULL,
    failed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- strict: the least that brings a row over. An error of it fails the old application's write.
CREATE FUNCTION hand.strict_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE'
       AND NOT (OLD.id IS DISTINCT FROM NEW.id
                OR OLD.user_id IS DISTINCT FROM NEW.user_id
                OR OLD.name IS DISTINCT FROM NEW.name
                OR OLD.type IS DISTINCT FROM NEW.type
                OR OLD.brand IS DISTINCT FROM NEW.brand
                OR OLD.created_at IS DISTINCT FROM NEW.created_at) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM gear_ops.gear_items WHERE id = OLD.id;
        RETURN NULL;
    END IF;
    INSERT INTO gear_ops.gear_items (id, user_id, name, category, brand, created_at, updated_at)
    VALUES (NEW.id, NEW.user_id, NEW.name, NEW.type, NEW.brand, NEW.created_at, NEW.created_at)
    ON CONFLICT (id) DO UPDATE
        SET user_id = excluded.user_id,
            name = excluded.name,
            category = excluded.category,
            brand = excluded.brand,
            created_at = excluded.created_at;
    RETURN NULL;
END;
$$;

-- record: the same, but an error, or a lock that takes too long, is stored instead.
CREATE FUNCTION hand.record_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $$
DECLARE
    v_sqlstate text;
    v_message  text;
BEGIN
    IF TG_OP = 'UPDATE'
       AND NOT (OLD.id IS DISTINCT FROM NEW.id
                OR OLD.user_id IS DISTINCT FROM NEW.user_id
                OR OLD.name IS DISTINCT FROM NEW.name
                OR OLD.type IS DISTINCT FROM NEW.type
                OR OLD.brand IS DISTINCT FROM NEW.brand
                OR OLD.created_at IS DISTINCT FROM NEW.created_at) THEN
        RETURN NULL;
    END IF;
    BEGIN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM gear_ops.gear_items WHERE id = OLD.id;
        ELSE
            INSERT INTO gear_ops.gear_items (id, user_id, name, category, brand, created_at, updated_at)
            VALUES (NEW.id, NEW.user_id, NEW.name, NEW.type, NEW.brand, NEW.created_at, NEW.created_at)
            ON CONFLICT (id) DO UPDATE
                SET user_id = excluded.user_id,
                    name = excluded.name,
                    category = excluded.category,
                    brand = excluded.brand,
                    created_at = excluded.created_at;
        END IF;
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            INSERT INTO hand.failure (item, sqlstate, message)
            VALUES (coalesce(NEW.id, OLD.id), v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$$;

-- both: the same with a marker, so that the two directions do not chase each other. It lacks: what
-- the application's own triggers and cascades write meanwhile goes unseen.
CREATE FUNCTION hand.both_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $$
DECLARE
    v_set      text;
    v_sqlstate text;
    v_message  text;
BEGIN
    IF current_setting('hand.marker', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE'
       AND NOT (OLD.id IS DISTINCT FROM NEW.id
                OR OLD.user_id IS DISTINCT FROM NEW.user_id
                OR OLD.name IS DISTINCT FROM NEW.name
                OR OLD.type IS DISTINCT FROM NEW.type
                OR OLD.brand IS DISTINCT FROM NEW.brand
                OR OLD.created_at IS DISTINCT FROM NEW.created_at) THEN
        RETURN NULL;
    END IF;
    BEGIN
        v_set := set_config('hand.marker', 'on', true);
        IF TG_OP = 'DELETE' THEN
            DELETE FROM gear_ops.gear_items WHERE id = OLD.id;
        ELSE
            INSERT INTO gear_ops.gear_items (id, user_id, name, category, brand, created_at, updated_at)
            VALUES (NEW.id, NEW.user_id, NEW.name, NEW.type, NEW.brand, NEW.created_at, NEW.created_at)
            ON CONFLICT (id) DO UPDATE
                SET user_id = excluded.user_id,
                    name = excluded.name,
                    category = excluded.category,
                    brand = excluded.brand,
                    created_at = excluded.created_at;
        END IF;
        v_set := set_config('hand.marker', '', true);
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            INSERT INTO hand.failure (item, sqlstate, message)
            VALUES (coalesce(NEW.id, OLD.id), v_sqlstate, v_message);
    END;
    RETURN NULL;
END;
$$;

CREATE FUNCTION hand.both_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_set text;
BEGIN
    IF current_setting('hand.marker', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE'
       AND NOT (OLD.id IS DISTINCT FROM NEW.id
                OR OLD.user_id IS DISTINCT FROM NEW.user_id
                OR OLD.name IS DISTINCT FROM NEW.name
                OR OLD.category IS DISTINCT FROM NEW.category
                OR OLD.brand IS DISTINCT FROM NEW.brand
                OR OLD.created_at IS DISTINCT FROM NEW.created_at) THEN
        RETURN NULL;
    END IF;
    v_set := set_config('hand.marker', 'on', true);
    IF TG_OP = 'DELETE' THEN
        DELETE FROM user_core.old_equipment WHERE id = OLD.id;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO user_core.old_equipment (id, user_id, name, type, brand, created_at)
        VALUES (NEW.id, NEW.user_id, NEW.name, NEW.category, NEW.brand, NEW.created_at);
    ELSE
        UPDATE user_core.old_equipment
        SET id = NEW.id,
            user_id = NEW.user_id,
            name = NEW.name,
            type = NEW.category,
            brand = NEW.brand,
            created_at = NEW.created_at
        WHERE id = OLD.id;
    END IF;
    v_set := set_config('hand.marker', '', true);
    RETURN NULL;
END;
$$;

CREATE TRIGGER hand_strict_update AFTER INSERT OR UPDATE OR DELETE ON user_core.old_equipment
    FOR EACH ROW EXECUTE FUNCTION hand.strict_forward();
CREATE TRIGGER hand_record_update AFTER INSERT OR UPDATE OR DELETE ON user_core.old_equipment
    FOR EACH ROW EXECUTE FUNCTION hand.record_forward();
CREATE TRIGGER hand_both_update AFTER INSERT OR UPDATE OR DELETE ON user_core.old_equipment
    FOR EACH ROW EXECUTE FUNCTION hand.both_forward();
CREATE TRIGGER hand_both_back_update AFTER INSERT OR UPDATE OR DELETE ON gear_ops.gear_items
    FOR EACH ROW EXECUTE FUNCTION hand.both_back();

-- The usual way, for comparison: the same functions behind a WHEN clause with the columns.
CREATE TRIGGER hand_when_update AFTER UPDATE ON user_core.old_equipment
    FOR EACH ROW
    WHEN ((OLD.id IS DISTINCT FROM NEW.id
           OR OLD.user_id IS DISTINCT FROM NEW.user_id
           OR OLD.name IS DISTINCT FROM NEW.name
           OR OLD.type IS DISTINCT FROM NEW.type
           OR OLD.brand IS DISTINCT FROM NEW.brand
           OR OLD.created_at IS DISTINCT FROM NEW.created_at)
          AND current_setting('hand.marker', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION hand.both_forward();
CREATE TRIGGER hand_when_back_update AFTER UPDATE ON gear_ops.gear_items
    FOR EACH ROW
    WHEN ((OLD.id IS DISTINCT FROM NEW.id
           OR OLD.user_id IS DISTINCT FROM NEW.user_id
           OR OLD.name IS DISTINCT FROM NEW.name
           OR OLD.category IS DISTINCT FROM NEW.category
           OR OLD.brand IS DISTINCT FROM NEW.brand
           OR OLD.created_at IS DISTINCT FROM NEW.created_at)
          AND current_setting('hand.marker', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION hand.both_back();

-- Between rounds: let only the triggers of one kind fire. Those of the foreign keys stay.
CREATE FUNCTION hand.switch_triggers(p_kind text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_trigger record;
BEGIN
    FOR v_trigger IN
        SELECT tgrelid::regclass AS relation, tgname AS name,
               tgname IN (p_kind || '_write', p_kind || '_update',
                          p_kind || '_back_write', p_kind || '_back_update') AS wanted
        FROM pg_trigger
        WHERE NOT tgisinternal
          AND tgrelid IN ('user_core.old_equipment'::regclass, 'gear_ops.gear_items'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', v_trigger.relation,
                       CASE WHEN v_trigger.wanted THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END,
                       v_trigger.name);
    END LOOP;
END;
$$;

-- Updates inside the server: no round trip, no commit.
CREATE PROCEDURE hand.update_many(p_what text, p_count integer)
LANGUAGE plpgsql
AS $$
DECLARE
    v_ids   uuid[] := ARRAY(SELECT id FROM user_core.old_equipment ORDER BY id LIMIT p_count);
    v_name  text := 'Tent ' || random();
    v_start timestamptz := clock_timestamp();
    v_id    uuid;
BEGIN
    FOREACH v_id IN ARRAY v_ids LOOP
        CASE p_what
            WHEN 'source' THEN UPDATE user_core.old_equipment SET name = v_name WHERE id = v_id;
            WHEN 'target' THEN UPDATE gear_ops.gear_items SET name = v_name WHERE id = v_id;
            WHEN 'unmapped' THEN
                UPDATE user_core.old_equipment SET last_viewed_at = v_start WHERE id = v_id;
        END CASE;
    END LOOP;
END;
$$;
