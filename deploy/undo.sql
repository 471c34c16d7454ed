-- Deploy pgtandem:undo to pg
-- requires: backfill
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.layout') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.layout (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mapping  text NOT NULL REFERENCES pgtandem.mapping ON DELETE CASCADE,
    relation oid NOT NULL,
    columns  jsonb NOT NULL
);
CREATE INDEX layout_mapping_idx ON pgtandem.layout (mapping, relation);
COMMENT ON TABLE pgtandem.layout IS
    'The columns of a target, or of a partition of it, when pre-images of its rows were stored.';
COMMENT ON COLUMN pgtandem.layout.id IS 'What pre_image.layout means.';
COMMENT ON COLUMN pgtandem.layout.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.layout.relation IS 'The table that held the row.';
COMMENT ON COLUMN pgtandem.layout.columns IS
    'Name, type and pg_attribute.attgenerated of each, in the order of the row.';

CREATE FUNCTION pgtandem._columns_of(p_relation regclass) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_agg(jsonb_build_array(attname, format_type(atttypid, NULL), attgenerated)
                     ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = p_relation AND attnum > 0 AND NOT attisdropped;
$$;
COMMENT ON FUNCTION pgtandem._columns_of(regclass) IS
    'The columns of a table as pgtandem.layout has them.';

CREATE FUNCTION pgtandem._columns_now(p_relation regclass) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- One too many, so that no layout is the same.
    SELECT CASE WHEN jsonb_path_exists(c, '$[*] ? (@[2] == "v")') THEN c || '[["", "", ""]]' ELSE c
           END
    FROM pgtandem._columns_of(p_relation) AS c;
$$;
COMMENT ON FUNCTION pgtandem._columns_now(regclass) IS
    'The columns of a row as a query finds it: a virtual one is computed there, and empty to the '
    'trigger that stores pre-images.';

CREATE FUNCTION pgtandem._layout(p_mapping text, p_relation oid) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_columns jsonb := pgtandem._columns_of(p_relation);
    v_layout  integer := (SELECT min(id) FROM pgtandem.layout
                          WHERE mapping = p_mapping AND relation = p_relation
                            AND columns = v_columns);
BEGIN
    IF v_layout IS NULL THEN
        -- Two sessions may both store it, which does no harm: neither waits.
        INSERT INTO pgtandem.layout (mapping, relation, columns)
        VALUES (p_mapping, p_relation, v_columns)
        RETURNING id INTO v_layout;
    END IF;
    -- Until the transaction ends, our lock on the table keeps it as it is.
    PERFORM set_config(format('pgtandem_%s.layout_%s', p_mapping, p_relation), v_layout::text,
                       true);
    RETURN v_layout;
END;
$$;
COMMENT ON FUNCTION pgtandem._layout(text, oid) IS
    'The number of the present columns of a table, which a row trigger then finds in a setting.';

CREATE FUNCTION pgtandem._fields(p_record text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(m.field[1] ORDER BY m.n)
    FROM regexp_matches(substr(p_record, 2, length(p_record) - 2) || ',',
                        '((?:[^",]|"(?:[^"\\]|""|\\\\)*")*),', 'g') WITH ORDINALITY AS m (field, n);
$$;
COMMENT ON FUNCTION pgtandem._fields(text) IS
    'The fields of a row as its text has them: quoted where they are; empty: NULL.';

CREATE FUNCTION pgtandem._overlay(p_record text, p_columns jsonb, p_row text, p_row_columns jsonb)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_record text[];
    v_row    text[];
BEGIN
    IF p_record IS NULL OR p_columns = p_row_columns THEN
        RETURN p_record;
    END IF;
    v_record := pgtandem._fields(p_record);
    v_row := pgtandem._fields(p_row);
    RETURN (
        SELECT '(' || string_agg(CASE WHEN r.name ->> 2 = 'v' THEN ''
                                      WHEN c.n IS NULL THEN coalesce(v_row[r.n], '')
                                      ELSE v_record[c.n] END, ',' ORDER BY r.n) || ')'
        FROM jsonb_array_elements(p_row_columns) WITH ORDINALITY AS r (name, n)
        LEFT JOIN jsonb_array_elements(p_columns) WITH ORDINALITY AS c (name, n)
          ON c.name = r.name);
END;
$$;
COMMENT ON FUNCTION pgtandem._overlay(text, jsonb, text, jsonb) IS
    'A row as text in other columns; those that it lacks are of p_row, which has these columns, or '
    'empty.';

CREATE FUNCTION pgtandem._acting_keys(p_target regclass) RETURNS SETOF pg_constraint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.* FROM pg_constraint AS k
    WHERE k.contype = 'f' AND k.conparentid = 0
      AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
      AND k.confrelid IN (SELECT pgtandem._relations(p_target));
$$;
COMMENT ON FUNCTION pgtandem._acting_keys(regclass) IS
    'The foreign keys that delete or change rows where a row of a table, or a column of it that '
    'they refer to, is deleted or changed.';

CREATE FUNCTION pgtandem._references(p_target regclass) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('(%s) AND EXISTS (SELECT FROM %s AS c WHERE %s AND '
                             '(c.tableoid, c.ctid) <> (t.tableoid, t.ctid))',
                             concat_ws(' OR ',
                                 CASE WHEN k.confdeltype IN ('c', 'n', 'd') THEN '$1 IS NULL' END,
                                 CASE WHEN k.confupdtype IN ('c', 'n', 'd')
                                      THEN format('$1 IS NOT NULL AND (%s)', f.changed) END),
                             k.conrelid::regclass, f.matched), ' OR ')
    FROM pgtandem._acting_keys(p_target) AS k
    CROSS JOIN LATERAL (
        SELECT string_agg(format('t.%I OPERATOR(%I.%s) c.%I', r.attname, n.nspname, o.oprname,
                                 a.attname), ' AND ') AS matched,
               -- As text: PostgreSQL, too, asks for more here than whether they are equal.
               string_agg(format('t.%1$I::text IS DISTINCT FROM b.%1$I::text', r.attname),
                          ' OR ') AS changed
        FROM unnest(k.conkey, k.confkey, k.conpfeqop) AS u (ours, theirs, equal)
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.ours
        JOIN pg_attribute AS r ON r.attrelid = k.confrelid AND r.attnum = u.theirs
        JOIN pg_operator AS o ON o.oid = u.equal
        JOIN pg_namespace AS n ON n.oid = o.oprnamespace
    ) AS f;
$$;
COMMENT ON FUNCTION pgtandem._references(regclass) IS
    'A condition over a row t of a table, and the row b that it is to become ($1 as text; NULL: it '
    'is to go): a foreign key would delete or change others with it. NULL: there is no such key.';

CREATE FUNCTION pgtandem._require_references(p_target regclass) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hidden text := (
        SELECT string_agg(DISTINCT k.conrelid::regclass::text, ', ')
        FROM pgtandem._acting_keys(p_target) AS k
        WHERE row_security_active(k.conrelid) OR NOT has_table_privilege(k.conrelid, 'SELECT'));
BEGIN
    IF v_hidden IS NOT NULL THEN
        RAISE EXCEPTION 'role "%" cannot see which rows of % refer to %', current_user, v_hidden,
            p_target
            USING ERRCODE = 'TD067',
                  DETAIL = 'A foreign key would delete or change them with what is undone.',
                  HINT = format('GRANT SELECT ON %s TO %I; where row level security hides rows, '
                                'undo as a role with BYPASSRLS, or as the owner of the table.',
                                v_hidden, current_user);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._require_references(regclass) IS
    'Raises TD067 where rows may be hidden that a foreign key would delete or change with those of '
    'a table.';

CREATE FUNCTION pgtandem._adopt(p_others text[], p_row anyelement, p_was xid, p_is xid)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_schema text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- They are quoted names.
    FOREACH v_schema IN ARRAY p_others LOOP
        EXECUTE format('SELECT %s.adopt($1, $2, $3)', v_schema) USING p_row, p_was, p_is;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._adopt(text[], anyelement, xid, xid) IS
    'Tells the other mappings of a target (their schemas, quoted) that an undo has made a row '
    'again what p_was wrote: what they wrote of it is there as before.';

CREATE FUNCTION pgtandem._refuse_write(p_mapping text, p_owner name) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Anybody may set a setting, and would write as the owner what he may not write himself.
    RAISE EXCEPTION 'role "%" may not write for the backfill of mapping "%"', session_user,
        p_mapping
        USING ERRCODE = 'TD066',
              DETAIL = format('Its session has set pgtandem_%s.record or .undo, which say that a '
                              'backfill, a repair or an undo is at work.', p_mapping),
              HINT = format('RESET ALL; or, to be one who runs them: GRANT %I TO %I;',
                            p_owner, session_user);
END;
$$;
COMMENT ON FUNCTION pgtandem._refuse_write(text, name) IS
    'Raises TD066: the session is not of a member of the role that owns a mapping.';

CREATE FUNCTION pgtandem.pre_image_size(p_mapping text) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_total_relation_size(to_regclass(format('pgtandem_%s.pre_image', p_mapping)));
$$;
COMMENT ON FUNCTION pgtandem.pre_image_size(text) IS
    'Bytes that the pre-images of a mapping take; NULL where it stores none.';

CREATE FUNCTION pgtandem._undo_to_go(p_mapping text) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_count bigint := 0;
BEGIN
    IF to_regclass(format('pgtandem_%s.pre_image', p_mapping)) IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %I.pre_image', 'pgtandem_' || p_mapping) INTO v_count;
    END IF;
    RETURN v_count;
END;
$$;
COMMENT ON FUNCTION pgtandem._undo_to_go(text) IS
    'How many pre-images a mapping has. Reads them all.';

CREATE FUNCTION pgtandem._free_pre_images(p_images regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_found boolean;
BEGIN
    PERFORM set_config('lock_timeout', '100ms', true);
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', p_images);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', p_images) INTO v_found;
    IF NOT v_found THEN
        EXECUTE format('TRUNCATE %s', p_images);
    END IF;
EXCEPTION
    WHEN lock_not_available THEN
        NULL;  -- somebody writes some just now
END;
$$;
COMMENT ON FUNCTION pgtandem._free_pre_images(regclass) IS
    'Gives back the space of a table of pre-images in which none is left.';

CREATE FUNCTION pgtandem._close_undo(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_found boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.pre_image)', 'pgtandem_' || p_mapping)
    INTO v_found;
    IF v_found THEN
        RAISE WARNING 'the pre-images of mapping "%" are dropped with its sync: % can no longer '
            'be undone', p_mapping, 'what its backfill and repairs wrote'
            USING HINT = format('To have it undone, pgtandem undo %s before the revert.',
                                p_mapping);
        PERFORM pgtandem.log_event(p_mapping, 'undo', jsonb_build_object(
            'dropped_bytes', pgtandem.pre_image_size(p_mapping)));
    END IF;
    EXECUTE format('DROP TABLE %I.pre_image', 'pgtandem_' || p_mapping);
    DELETE FROM pgtandem.layout WHERE mapping = p_mapping;
END;
$$;
COMMENT ON FUNCTION pgtandem._close_undo(text) IS
    'Drops the table of pre-images of a mapping, and says so where it holds any.';

CREATE FUNCTION pgtandem._undo_alone(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_others text := (SELECT string_agg(pid::text, ', ') FROM pgtandem.worker_status
                      WHERE mapping = p_mapping AND pid <> pg_backend_pid());
BEGIN
    IF v_others IS NOT NULL THEN
        RAISE EXCEPTION 'a backfill or an undo of mapping "%" is at work', p_mapping
            USING ERRCODE = 'TD060',
                  DETAIL = format('Its process id: %s.', v_others),
                  HINT = 'Stop it, or wait for its end, and undo then. What is undone stays so.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._undo_alone(text) IS
    'Raises TD060 where another session copies or undoes a mapping.';

CREATE FUNCTION pgtandem.drop_pre_images(p_mapping text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_images regclass := to_regclass(format('pgtandem_%s.pre_image',
                                            (pgtandem.mapping_of(p_mapping)).name));
    v_bytes  bigint := 0;
BEGIN
    IF v_images IS NOT NULL THEN
        PERFORM pgtandem._undo_alone(p_mapping);
        PERFORM pgtandem.lock_tables(ARRAY[v_images], 'ACCESS EXCLUSIVE');
        v_bytes := pg_total_relation_size(v_images);
        EXECUTE format('TRUNCATE %s', v_images);
        v_bytes := v_bytes - pg_total_relation_size(v_images);
        PERFORM pgtandem.log_event(p_mapping, 'undo',
                                   jsonb_build_object('dropped_bytes', v_bytes));
    END IF;
    RETURN v_bytes;
END;
$$;
COMMENT ON FUNCTION pgtandem.drop_pre_images(text) IS
    'Drops all pre-images of a mapping, so that what was written until now stays; returns the '
    'bytes that are freed. TD001, TD004, TD060 while a backfill or an undo is at work.';

COMMIT;
