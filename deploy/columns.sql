-- Deploy pgtandem:columns to pg
-- requires: contract
-- requires: companion
-- requires: walk
-- requires: lock_tables
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.save_companions(text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem.contract_report(p_mapping text) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN c.met THEN format('ok      %s: %s', c.name, c.figure)
                ELSE format('NOT YET %s: %s. %s', c.name, c.figure, c.hint) END
    FROM pgtandem.contract_conditions(p_mapping) AS c
    UNION ALL
    SELECT format('goes along, and comes back with a revert: %s', w)
    FROM pgtandem.companions(p_mapping) AS w
    WHERE w NOT LIKE 'comment o%'
    UNION ALL
    SELECT format('goes along, and comes back with a revert: %s comments', count(*))
    FROM pgtandem.companions(p_mapping) AS w
    WHERE w LIKE 'comment o%'
    HAVING count(*) > 0;
$$;
COMMENT ON FUNCTION pgtandem.contract_report(text) IS
    'What a contract by columns prints before it begins: each condition, and what goes along.';

CREATE FUNCTION pgtandem.contract_tables(p_mapping text) RETURNS regclass[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY[m.source, m.target] || ARRAY(
        SELECT DISTINCT k.confrelid::regclass
        FROM pgtandem._leaving(p_mapping) AS l
        JOIN pg_constraint AS k ON k.conrelid = l.relation AND k.contype = 'f'
                               AND l.attnum = ANY (k.conkey)
        WHERE k.confrelid NOT IN (m.source, m.target))
    FROM pgtandem.mapping_of(p_mapping) AS m;
$$;
COMMENT ON FUNCTION pgtandem.contract_tables(text) IS
    'Source, target, and each table that a foreign key of a leaving column refers to: it is locked '
    'when the foreign key goes.';

CREATE FUNCTION pgtandem.require_key(p_table regclass, p_columns text[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index AS x
        WHERE x.indrelid = p_table AND x.indisunique AND x.indisvalid
          AND x.indpred IS NULL AND x.indexprs IS NULL
          AND (SELECT array_agg(a.attname::text) FROM pg_attribute AS a
               WHERE a.attrelid = x.indrelid
                 AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])) <@ p_columns
    ) THEN
        RAISE EXCEPTION 'the source % has no unique index on (%), or on some of them', p_table,
            array_to_string(p_columns, ', ')
            USING ERRCODE = 'TD042',
                  DETAIL = 'The values of the columns that leave are archived by this key.',
                  HINT = format('CREATE UNIQUE INDEX CONCURRENTLY ON %s (%s);', p_table,
                                (SELECT string_agg(quote_ident(c), ', ')
                                 FROM unnest(p_columns) AS c));
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_key(regclass, text[]) IS
    'Raises TD042 unless a unique index says that these columns identify a row.';

CREATE FUNCTION pgtandem.abandon_archive(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_routine regprocedure;
BEGIN
    IF v_mapping.phase = 'contract' OR NOT EXISTS (
           SELECT FROM pgtandem.walk WHERE mapping = p_mapping AND purpose = 'archive') THEN
        RETURN;
    END IF;
    PERFORM pgtandem.lock_tables(ARRAY[v_mapping.source], 'ACCESS EXCLUSIVE');
    FOR v_routine IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = ('pgtandem_' || p_mapping)::regnamespace
          AND proname IN ('note_archive', 'archive_chunk', 'archive_keys')
    LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', v_routine);
    END LOOP;
    EXECUTE format('DROP TABLE IF EXISTS %I.%I',
                   pgtandem._setting(v_mapping.settings, 'contract', 'archive',
                                     'pgtandem_archive'),
                   (SELECT relname FROM pg_class WHERE oid = v_mapping.source));
    DELETE FROM pgtandem.walk WHERE mapping = p_mapping;
    DELETE FROM pgtandem.recheck WHERE mapping = p_mapping AND side = 'archive';
    PERFORM pgtandem.log_event(p_mapping, 'abandon_archive');
END;
$$;
COMMENT ON FUNCTION pgtandem.abandon_archive(text) IS
    'Takes away what a contract by columns has begun and not finished: the archive, and the '
    'trigger that notes writes for it.';

CREATE FUNCTION pgtandem._keep_sequences(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_column record;
    v_last   bigint;
    v_called boolean;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s are names and numbers from the catalogs.
    FOR v_column IN
        SELECT l.relation, l.name, a.attidentity, d.objid::regclass::text AS sequence,
               q.seqtypid::regtype AS type,
               format('INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s',
                      q.seqincrement, q.seqmin, q.seqmax, q.seqstart,
                      q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END) AS options
        FROM pgtandem._leaving(p_mapping) AS l
        JOIN pg_attribute AS a ON a.attrelid = l.relation AND a.attnum = l.attnum
        JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = l.relation
                           AND d.refobjsubid = l.attnum AND d.classid = 'pg_class'::regclass
                           AND d.deptype IN ('a', 'i')
        JOIN pg_sequence AS q ON q.seqrelid = d.objid
        WHERE l.level = 0
    LOOP
        IF v_column.attidentity = '' THEN
            EXECUTE format('ALTER SEQUENCE %s OWNED BY NONE', v_column.sequence);
            INSERT INTO pgtandem.companion (mapping, relation, column_name, step, statement)
            VALUES (p_mapping, v_column.relation, v_column.name, 'back',
                    format('ALTER SEQUENCE %s OWNED BY %s.%I', v_column.sequence,
                           v_column.relation, v_column.name));
            CONTINUE;
        END IF;
        -- A column that is not NOT NULL yet cannot have an identity: until then, it has a default.
        EXECUTE format('SELECT last_value, is_called FROM %s', v_column.sequence)
        INTO v_last, v_called;
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', v_column.relation,
                       v_column.name);
        EXECUTE format('CREATE SEQUENCE %s AS %s %s', v_column.sequence, v_column.type,
                       v_column.options);
        PERFORM setval(v_column.sequence, v_last, v_called);
        INSERT INTO pgtandem.companion (mapping, relation, column_name, step, lock_mode, statement)
        VALUES (p_mapping, v_column.relation, v_column.name, 'default', NULL,
                format('nextval(%L)', v_column.sequence)),
               (p_mapping, v_column.relation, v_column.name, 'after', 'ACCESS EXCLUSIVE',
                format($do$DO $identity$
                       DECLARE
                           v_next bigint := nextval(%1$L);
                       BEGIN
                           ALTER TABLE %2$s ALTER COLUMN %3$I DROP DEFAULT;
                           DROP SEQUENCE %1$s;
                           ALTER TABLE %2$s ALTER COLUMN %3$I ADD GENERATED %4$s AS IDENTITY
                               (SEQUENCE NAME %1$s %5$s);
                           PERFORM setval(%1$L, v_next, false);
                       END
                       $identity$ $do$, v_column.sequence, v_column.relation, v_column.name,
                       CASE v_column.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
                       v_column.options));
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._keep_sequences(text) IS
    'Keeps the sequences of columns that leave, and notes how they become theirs again.';

CREATE FUNCTION pgtandem.require_finished(p_mapping text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM pgtandem.companion WHERE mapping = p_mapping) THEN
        RAISE EXCEPTION 'the last revert of contract of mapping "%" is not finished', p_mapping
            USING ERRCODE = 'TD043',
                  DETAIL = format('Still to be brought back: %s.',
                                  (SELECT string_agg(coalesce(c.what, c.statement), '; ')
                                   FROM pgtandem.companion AS c WHERE c.mapping = p_mapping)),
                  HINT = format('Run the revert script of %s_contract again.', p_mapping);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_finished(text) IS
    'Raises TD043 where the last revert of contract has still something to bring back.';

CREATE FUNCTION pgtandem.save_companions(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pgtandem.require_finished(p_mapping);
    INSERT INTO pgtandem.companion (mapping, relation, column_name, step, what, name, lock_mode,
                                    lock_also, statement)
    SELECT c.mapping, c.relation, c.column_name, c.step, c.what, c.name, c.lock_mode, c.lock_also,
           c.statement
    FROM (SELECT * FROM pgtandem._companions_of_columns(p_mapping)
          UNION ALL
          SELECT * FROM pgtandem._companions_of_table(p_mapping)) AS c
    WHERE c.statement IS NOT NULL OR c.step = 'default'
    ORDER BY c.id;
    PERFORM pgtandem._keep_sequences(p_mapping);
END;
$$;
COMMENT ON FUNCTION pgtandem.save_companions(text) IS
    'Saves what goes with the columns that contract is about to take away. TD043 where a revert '
    'is not finished.';

CREATE FUNCTION pgtandem.add_columns(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_names text[] := ARRAY(SELECT jsonb_array_elements_text(
        (pgtandem.mapping_of(p_mapping)).settings #> '{contract,columns}'));
    v_part  pgtandem.companion;
    v_column text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s comes from the catalogs: types and expressions.
    FOR v_part IN
        SELECT * FROM pgtandem.companion
        WHERE mapping = p_mapping AND step IN ('column', 'default') ORDER BY id
    LOOP
        v_column := 'pgtandem_old_' || array_position(v_names, v_part.column_name);
        IF v_part.step = 'column' THEN
            EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', v_part.relation, v_column,
                           v_part.statement);
        ELSE
            -- Set afterwards, a default is for new rows alone, and nothing is rewritten.
            EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN %I %s', v_part.relation, v_column,
                           coalesce('SET DEFAULT ' || v_part.statement, 'DROP DEFAULT'));
        END IF;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem.add_columns(text) IS
    'Adds the columns that contract has taken away, under names of ours, and empty.';

CREATE FUNCTION pgtandem.name_columns(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_column  record;
    v_part    pgtandem.companion;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The statements are ours, saved by save_companions.
    FOR v_column IN
        SELECT c.name, format('pgtandem_old_%s', c.place) AS hidden
        FROM jsonb_array_elements_text(v_mapping.settings #> '{contract,columns}')
             WITH ORDINALITY AS c (name, place)
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', v_mapping.source, v_column.hidden,
                       v_column.name);
    END LOOP;
    FOR v_part IN
        SELECT * FROM pgtandem.companion WHERE mapping = p_mapping AND step = 'back' ORDER BY id
    LOOP
        EXECUTE v_part.statement;
    END LOOP;
    DELETE FROM pgtandem.companion WHERE mapping = p_mapping AND step <> 'after';
    DELETE FROM pgtandem.walk WHERE mapping = p_mapping;
END;
$$;
COMMENT ON FUNCTION pgtandem.name_columns(text) IS
    'Gives the columns that came back their names, comments, grants, checks.';

CREATE FUNCTION pgtandem.require_values(p_mapping text, p_empty text[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_columns text := (SELECT string_agg(c.column_name, ', ' ORDER BY c.id)
                       FROM pgtandem.companion AS c
                       WHERE c.mapping = p_mapping AND c.column_name = ANY (p_empty)
                         AND c.what = 'NOT NULL of ' || quote_ident(c.column_name));
BEGIN
    IF v_columns IS NOT NULL THEN
        RAISE EXCEPTION 'no value for %, which is NOT NULL', v_columns
            USING ERRCODE = 'not_null_violation';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_values(text, text[]) IS
    'Raises 23502 where a column that is empty in a row was NOT NULL before contract.';

CREATE FUNCTION pgtandem.require_gone(p_mapping text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_columns text := (SELECT string_agg(format('%s of %s', l.name, l.relation), ', '
                                         ORDER BY l.level, l.place)
                       FROM pgtandem._leaving(p_mapping) AS l);
BEGIN
    IF v_columns IS NOT NULL THEN
        RAISE EXCEPTION 'columns that contract took away are there again'
            USING ERRCODE = 'TD044', DETAIL = format('Found: %s.', v_columns),
                  HINT = 'Its revert would fail: give what was added since another name.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_gone(text) IS
    'Raises TD044 where the source has a column that contract took away.';

CREATE FUNCTION pgtandem.rebuild(p_mapping text) RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_part  pgtandem.companion;
    v_valid boolean;
BEGIN
    FOR v_part IN
        SELECT * FROM pgtandem.companion WHERE mapping = p_mapping AND step = 'after' ORDER BY id
    LOOP
        IF v_part.name IS NOT NULL THEN
            v_valid := (SELECT x.indisvalid FROM pg_index AS x
                        WHERE x.indexrelid = to_regclass(v_part.name));
            IF NOT v_valid THEN
                RETURN NEXT format('DROP INDEX CONCURRENTLY %s', v_part.name);
            END IF;
            IF v_valid IS NOT TRUE THEN
                RETURN NEXT v_part.statement;
            END IF;
        END IF;
        -- Not a SELECT, of whose void psql would print an empty line.
        RETURN NEXT format('DO %L', format('BEGIN PERFORM pgtandem.rebuild_one(%s); END',
                                           v_part.id));
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem.rebuild(text) IS
    'The statements that bring back what is left, each on its own: for \gexec of psql. An INVALID '
    'index of an earlier try is built again.';

CREATE FUNCTION pgtandem.rebuild_one(p_id bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_part pgtandem.companion;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The statement is ours, saved by save_companions.
    DELETE FROM pgtandem.companion WHERE id = p_id RETURNING * INTO v_part;
    IF v_part.lock_mode IS NOT NULL THEN
        PERFORM pgtandem.lock_tables(array_remove(ARRAY[v_part.relation, v_part.lock_also], NULL),
                                     v_part.lock_mode);
    END IF;
    IF v_part.name IS NULL THEN
        EXECUTE v_part.statement;
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.rebuild_one(bigint) IS
    'Brings back one companion and forgets it, in one transaction; an index is there already.';

COMMIT;
