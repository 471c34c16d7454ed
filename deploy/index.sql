-- Deploy pgtandem:index to pg
-- requires: event
-- requires: mapping
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.target_index') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.target_index (
    mapping    text NOT NULL REFERENCES pgtandem.mapping ON DELETE CASCADE,
    name       text NOT NULL,
    definition text NOT NULL,
    query      text,
    built_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (mapping, name)
);

COMMENT ON TABLE pgtandem.target_index IS
    'The indexes that a mapping has built on its target; each is in the schema of the target.';
COMMENT ON COLUMN pgtandem.target_index.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.target_index.name IS 'Name of the index.';
COMMENT ON COLUMN pgtandem.target_index.definition IS
    'What the mapping says of it, from USING on.';
COMMENT ON COLUMN pgtandem.target_index.query IS
    'A query of the application that is to use it; see pgtandem.uses_index.';
COMMENT ON COLUMN pgtandem.target_index.built_at IS 'When its deploy was last done.';

CREATE FUNCTION pgtandem._index_definition(
    p_table      regclass,
    p_unique     boolean,
    p_definition text
) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_unique text := CASE WHEN p_unique THEN 'UNIQUE ' ELSE '' END;
    v_result text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The definition is the mapping's, and stands in its rendered script as it is.
    EXECUTE format('CREATE TEMPORARY TABLE pgtandem_indexed (LIKE %s)', p_table);
    EXECUTE format('CREATE %sINDEX pgtandem_index ON pg_temp.pgtandem_indexed %s',
                   v_unique, p_definition);
    v_result := pgtandem._definition_of(to_regclass('pg_temp.pgtandem_index'));
    EXECUTE 'DROP TABLE pg_temp.pgtandem_indexed';
    RETURN v_result;
END;
$$;
COMMENT ON FUNCTION pgtandem._index_definition(regclass, boolean, text) IS
    'How PostgreSQL writes the definition of an index, without its name and its table: by building '
    'it on an empty copy of the table.';

CREATE FUNCTION pgtandem._definition_of(p_index regclass) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END || substr(
               pg_get_indexdef(x.indexrelid),
               length(format('CREATE %sINDEX %I ON %s%I.%I ',
                             CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, i.relname,
                             CASE WHEN t.relkind = 'p' THEN 'ONLY ' ELSE '' END,
                             CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp'
                                  ELSE n.nspname END, t.relname)) + 1)
    FROM pg_index AS x
    JOIN pg_class AS i ON i.oid = x.indexrelid
    JOIN pg_class AS t ON t.oid = x.indrelid
    JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE x.indexrelid = p_index;
$$;
COMMENT ON FUNCTION pgtandem._definition_of(regclass) IS
    'The definition of an index without its name and its table.';

CREATE FUNCTION pgtandem._index_of(p_table regclass, p_name text) RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.oid
    FROM pg_class AS t
    JOIN pg_class AS i ON i.relnamespace = t.relnamespace AND i.relname = p_name
    WHERE t.oid = p_table;
$$;
COMMENT ON FUNCTION pgtandem._index_of(regclass, text) IS
    'What has the name of an index in the schema of its table; NULL: nothing has.';

CREATE FUNCTION pgtandem.index_state(
    p_table      regclass,
    p_name       text,
    p_unique     boolean,
    p_definition text
) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_index  regclass := pgtandem._index_of(p_table, p_name);
    v_wanted text := pgtandem._index_definition(p_table, p_unique, p_definition);
    v_found  text := pgtandem._definition_of(v_index);
BEGIN
    IF v_index IS NULL THEN
        RETURN 'missing';
    ELSIF v_found IS DISTINCT FROM v_wanted
          OR (SELECT indrelid FROM pg_index WHERE indexrelid = v_index) <> p_table THEN
        RAISE EXCEPTION 'the name % is taken by something else than the index of the mapping',
            v_index
            USING ERRCODE = 'TD031',
                  DETAIL = format('The mapping: %s. There is: %s.', v_wanted,
                                  coalesce(pg_get_indexdef(v_index), 'no index')),
                  HINT = 'Give the index of the mapping another name, or drop what has this one: '
                         || format('DROP INDEX CONCURRENTLY %s;', v_index);
    END IF;
    RETURN CASE WHEN (SELECT indisvalid FROM pg_index WHERE indexrelid = v_index)
                THEN 'valid' ELSE 'invalid' END;
END;
$$;
COMMENT ON FUNCTION pgtandem.index_state(regclass, text, boolean, text) IS
    'missing, valid, or invalid: left by a build that ended early, to be dropped and built again. '
    'TD031 where something else has the name.';

CREATE FUNCTION pgtandem.require_index(
    p_table      regclass,
    p_name       text,
    p_unique     boolean,
    p_definition text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_state text := pgtandem.index_state(p_table, p_name, p_unique, p_definition);
BEGIN
    IF v_state <> 'valid' THEN
        RAISE EXCEPTION 'the index % of % is %', p_name, p_table, v_state
            USING ERRCODE = 'TD032',
                  HINT = 'Revert and deploy the index change of the mapping: it builds it.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_index(regclass, text, boolean, text) IS
    'Raises TD032 unless the index is there and valid, TD031 where it is another one.';

CREATE FUNCTION pgtandem.begin_indexes(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_target regclass := (pgtandem.mapping_of(p_mapping)).target;
    v_lock   bigint := hashtextextended('pgtandem index ' || p_mapping, 0);
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = v_target) <> 'r' THEN
        RAISE EXCEPTION 'the target % is partitioned: its indexes cannot be built CONCURRENTLY',
            v_target
            USING ERRCODE = 'TD033',
                  HINT = 'Build them partition by partition in a change of your own, and attach '
                         'them; take them out of the mapping.';
    ELSIF NOT pg_try_advisory_lock(v_lock) THEN
        RAISE EXCEPTION 'the indexes of mapping "%" are being built already', p_mapping
            USING ERRCODE = 'TD033',
                  DETAIL = (SELECT format('By the backend %s.', pid) FROM pg_locks
                            WHERE locktype = 'advisory' AND granted AND objsubid = 1
                              AND (classid::bigint << 32) | objid::bigint = v_lock),
                  HINT = 'SELECT * FROM pg_stat_progress_create_index; wait for it, and run this '
                         'again.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.begin_indexes(text) IS
    'Takes the lock of the session that may build or drop the indexes of a mapping. TD033 where '
    'another one has it, and where the target is partitioned.';

CREATE FUNCTION pgtandem.index_failed(p_index text, p_sqlstate text, p_message text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the index % could not be built', p_index
        USING ERRCODE = 'TD034',
              DETAIL = format('%s (SQLSTATE %s). Nothing of it is left.', p_message, p_sqlstate),
              HINT = CASE p_sqlstate
                  WHEN '23505' THEN 'Two rows have one value: the error above names it. Mend them '
                                    'on both sides, and deploy again.'
                  ELSE 'Deploy again when the cause is mended; 40P01 and 57014 only need another '
                       'try.' END;
END;
$$;
COMMENT ON FUNCTION pgtandem.index_failed(text, text, text) IS
    'Raises TD034: what PostgreSQL said when an index was built, whose rest is dropped.';

CREATE FUNCTION pgtandem.register_index(
    p_mapping    text,
    p_name       text,
    p_definition text,
    p_query      text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO pgtandem.target_index (mapping, name, definition, query)
    VALUES (p_mapping, p_name, p_definition, p_query)
    ON CONFLICT (mapping, name) DO UPDATE
        SET definition = excluded.definition,
            query = excluded.query,
            built_at = excluded.built_at;
    PERFORM pgtandem.log_event(p_mapping, 'index', jsonb_build_object('built', p_name));
END;
$$;
COMMENT ON FUNCTION pgtandem.register_index(text, text, text, text) IS
    'Notes that an index of a mapping is built, and the query that is to use it.';

CREATE FUNCTION pgtandem.forget_index(p_mapping text, p_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM pgtandem.target_index WHERE mapping = p_mapping AND name = p_name;
    IF FOUND THEN
        PERFORM pgtandem.log_event(p_mapping, 'index', jsonb_build_object('dropped', p_name));
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.forget_index(text, text) IS 'Takes that back.';

CREATE FUNCTION pgtandem.uses_index(p_query text, p_index text) RETURNS boolean
LANGUAGE plpgsql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_plan json;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- EXPLAIN does not run the query. That it is a single one, render has seen to.
    EXECUTE 'EXPLAIN (FORMAT JSON, COSTS OFF) ' || p_query INTO v_plan;
    RETURN jsonb_path_exists(v_plan::jsonb, '$.**."Index Name" ? (@ == $name)',
                             jsonb_build_object('name', p_index));
EXCEPTION
    WHEN syntax_error_or_access_rule_violation OR data_exception THEN
        RETURN NULL;
END;
$$;
COMMENT ON FUNCTION pgtandem.uses_index(text, text) IS
    'Whether the planner would use the index for a query just now; NULL where it cannot be planned '
    'for this role. Runs nothing. Its names must be qualified: the search_path is pinned.';

COMMIT;
