-- Deploy pgtandem:require to pg
-- requires: mapping
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.require_hash(text, text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem.require_hash(p_mapping text, p_hash text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hash text := (pgtandem.mapping_of(p_mapping)).hash;
BEGIN
    IF v_hash <> p_hash THEN
        RAISE EXCEPTION 'this script and the deployed mapping "%" are not of one rendering',
            p_mapping
            USING ERRCODE = 'TD015',
                  DETAIL = format('Deployed: %s. This script: %s.',
                                  left(v_hash, 16), left(p_hash, 16)),
                  HINT = 'Render all phases and deploy them in order; '
                         '"pgtandem render --check" compares.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_hash(text, text) IS
    'Raises TD015 unless the deployed mapping has this hash.';

CREATE FUNCTION pgtandem.require_unique(p_table regclass, p_columns text[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index AS x
        WHERE x.indrelid = p_table
          AND x.indisunique AND x.indisvalid AND x.indimmediate
          AND x.indpred IS NULL AND x.indexprs IS NULL
          AND p_columns <@ (SELECT array_agg(a.attname::text) FROM pg_attribute AS a
                            WHERE a.attrelid = x.indrelid
                              AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1]))
          AND x.indnkeyatts = cardinality(p_columns)
    ) THEN
        RAISE EXCEPTION 'the target % has no unique index on (%)', p_table,
            array_to_string(p_columns, ', ')
            USING ERRCODE = 'TD016',
                  DETAIL = 'It must be valid, not partial, not deferrable, and on just these '
                           'columns.',
                  HINT = format('CREATE UNIQUE INDEX CONCURRENTLY ON %s (%s);', p_table,
                                (SELECT string_agg(quote_ident(c), ', ')
                                 FROM unnest(p_columns) AS c));
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_unique(regclass, text[]) IS
    'Raises TD016 unless the table has a unique index on exactly these columns, which ON CONFLICT '
    'needs.';

CREATE FUNCTION pgtandem.require_reads(p_view regclass, p_table regclass, p_columns text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_unseen text;
BEGIN
    SELECT string_agg(attname, ', ') INTO v_unseen
    FROM pg_attribute
    WHERE attrelid = p_table AND attgenerated = 'v' AND attname = ANY (p_columns);
    IF v_unseen IS NOT NULL THEN
        RAISE EXCEPTION 'the mapping reads virtual generated columns of %', p_table
            USING ERRCODE = 'TD027',
                  DETAIL = format('A trigger sees NULL instead of their value: %s.', v_unseen),
                  HINT = 'Write the expression that generates them into the mapping.';
    END IF;
    SELECT string_agg(DISTINCT a.attname, ', ') INTO v_unseen
    FROM pg_rewrite AS r
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE r.ev_class = p_view
      AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = p_table
      AND d.refobjsubid > 0
      AND a.attname <> ALL (p_columns);
    IF v_unseen IS NOT NULL THEN
        RAISE EXCEPTION 'the mapping reads columns of % that its triggers do not watch', p_table
            USING ERRCODE = 'TD017',
                  DETAIL = format('Not watched: %s.', v_unseen),
                  HINT = 'List them under source.columns of the mapping, and render again.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_reads(regclass, regclass, text[]) IS
    'Raises TD017 where the image reads a source column for which no sync trigger would fire, '
    'TD027 where it reads one that triggers do not see.';

CREATE FUNCTION pgtandem.require_determined(p_view regclass, p_tables regclass[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_other text;
    v_rule  text := (SELECT ev_action::text FROM pg_rewrite WHERE ev_class = p_view);
BEGIN
    SELECT string_agg(DISTINCT d.refobjid::regclass::text, ', ') INTO v_other
    FROM pg_rewrite AS r
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.ev_class = p_view AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid <> p_view AND d.refobjid <> ALL (p_tables);
    IF v_other IS NOT NULL THEN
        RAISE EXCEPTION 'the mapping reads tables that its triggers do not watch'
            USING ERRCODE = 'TD017',
                  DETAIL = format('Not watched: %s.', v_other),
                  HINT = 'Give them under joins, with what a row of them touches; render again.';
    END IF;
    -- What is built in leaves no trace in pg_depend.
    SELECT string_agg(DISTINCT f.name, ', ') INTO v_other
    FROM (
        SELECT p.oid::regprocedure::text
        FROM regexp_matches(v_rule, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS m
        JOIN pg_proc AS p ON p.oid = m[1]::oid
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
          AND (p.provolatile = 'v'
               OR p.proname IN ('now', 'transaction_timestamp', 'statement_timestamp',
                                'current_setting', 'current_user', 'session_user')
               OR p.proname = 'age' AND p.pronargs = 1)
        UNION ALL
        SELECT 'CURRENT_DATE, CURRENT_USER or the like' WHERE v_rule ~ '\{SQLVALUEFUNCTION '
    ) AS f (name);
    IF v_other IS NOT NULL THEN
        RAISE EXCEPTION 'what the mapping says changes without a write'
            USING ERRCODE = 'TD039',
                  DETAIL = format('It calls %s.', v_other),
                  HINT = 'Read a column instead; or make it initial, which is computed once.';
    END IF;
    SELECT string_agg(DISTINCT p.oid::regprocedure::text, ', ') INTO v_other
    FROM regexp_matches(v_rule, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS m
    JOIN pg_proc AS p ON p.oid = m[1]::oid
    WHERE p.provolatile <> 'i' AND p.pronamespace <> 'pg_catalog'::regnamespace;
    IF v_other IS NOT NULL THEN
        RAISE WARNING 'the mapping calls functions that are not IMMUTABLE: %', v_other
            USING HINT = 'Where they read a table or the clock, no trigger sees the change. Where '
                         'they do not, ALTER FUNCTION ... IMMUTABLE.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_determined(regclass, regclass[]) IS
    'Raises TD017 where a view reads other tables than these, TD039 where it calls what depends on '
    'the time, on chance or on the session: no write, no trigger. Warns of functions that may read '
    'tables unseen.';

CREATE FUNCTION pgtandem.require_generated(p_table regclass, p_columns text[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_found text[] := ARRAY(SELECT attname FROM pg_attribute
                            WHERE attrelid = p_table AND attgenerated = 's' ORDER BY attnum);
BEGIN
    IF NOT (v_found <@ p_columns AND p_columns <@ v_found) THEN
        RAISE EXCEPTION 'contract.generated of the mapping and % do not agree', p_table
            USING ERRCODE = 'TD035',
                  DETAIL = format('Listed: %s. Generated and stored: %s.',
                                  coalesce(nullif(array_to_string(p_columns, ', '), ''), 'none'),
                                  coalesce(nullif(array_to_string(v_found, ', '), ''), 'none')),
                  HINT = 'The view computes them: ' || coalesce(format(
                      'contract: {generated: {%s}}', (
                          SELECT string_agg(format('%s: %s', to_json(a.attname),
                                            to_json(pg_get_expr(d.adbin, d.adrelid))), ', '
                                            ORDER BY a.attnum)
                          FROM pg_attribute AS a
                          JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                          WHERE a.attrelid = p_table AND a.attgenerated = 's')), 'none.');
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_generated(regclass, text[]) IS
    'Raises TD035 unless these are the stored generated columns of a table, which a view can '
    'compute but not store.';

CREATE FUNCTION pgtandem.require_immediate(p_table regclass) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tables regclass[] := ARRAY(SELECT p_table UNION SELECT relid FROM pg_partition_tree(p_table));
    v_late   text;
BEGIN
    SELECT string_agg(format('%s of %s (%s)', conname, conrelid::regclass,
               CASE contype WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclusion'
                            WHEN 't' THEN 'constraint trigger' ELSE 'unique' END), ', '
               ORDER BY conname)
    INTO v_late
    FROM pg_constraint
    WHERE condeferrable AND conparentid = 0
      AND (conrelid = ANY (v_tables) OR contype = 'f' AND confrelid = ANY (v_tables));
    IF v_late IS NOT NULL THEN
        RAISE EXCEPTION 'the target % has constraints that may be checked at commit only', p_table
            USING ERRCODE = 'TD028',
                  DETAIL = format('The old application''s commit would fail: %s.', v_late),
                  HINT = 'Until contract, make them NOT DEFERRABLE (a foreign key by ALTER TABLE '
                         '... ALTER CONSTRAINT, another by making it anew), or let writes fail '
                         'with sync.mode: strict.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_immediate(regclass) IS
    'Raises TD028 where a table has deferrable constraints, or others point to it with one: no '
    'trigger can catch what they raise at commit.';

CREATE FUNCTION pgtandem.require_trigger(p_table regclass, p_trigger text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger
                   WHERE tgrelid = p_table AND tgname = p_trigger AND tgenabled = 'A') THEN
        RAISE EXCEPTION 'the trigger % of % is missing or is not ENABLE ALWAYS', p_trigger, p_table
            USING ERRCODE = 'TD018',
                  HINT = 'Revert and deploy the sync change again; writes since may need a repair.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_trigger(regclass, text) IS
    'Raises TD018 unless the table has this trigger and it fires in every replication role.';

CREATE FUNCTION pgtandem.require_own_triggers(
    p_table    regclass,
    p_schema   regnamespace,
    p_triggers text[]
) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_other text := (SELECT string_agg(format('%I', t.tgname), ', ' ORDER BY t.tgname)
                     FROM pg_trigger AS t
                     JOIN pg_proc AS p ON p.oid = t.tgfoid
                     WHERE t.tgrelid = p_table AND t.tgname = ANY (p_triggers)
                       AND p.pronamespace <> p_schema);
BEGIN
    IF v_other IS NOT NULL THEN
        RAISE EXCEPTION 'the table % has triggers of these names that are not of this mapping',
            p_table
            USING ERRCODE = 'TD030',
                  DETAIL = format('They would be replaced: %s.', v_other),
                  HINT = 'Set another sync.trigger in the mapping, or drop them.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_own_triggers(regclass, regnamespace, text[]) IS
    'Raises TD030 where a trigger of the table has one of these names but runs a function of '
    'another schema than the mapping''s own.';

CREATE FUNCTION pgtandem.require_last(p_table regclass, p_trigger text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_later text := (SELECT string_agg(format('%I', t.tgname), ', ' ORDER BY t.tgname)
                     FROM pg_trigger AS t
                     JOIN pg_proc AS p ON p.oid = t.tgfoid
                     WHERE t.tgrelid = p_table AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                       AND t.tgtype & 3 = 3  -- before, for each row
                       AND t.tgtype & 20 <> 0  -- insert or update
                       AND t.tgname > p_trigger::name
                       AND p.pronamespace NOT IN (
                           SELECT n.oid FROM pg_namespace AS n
                           JOIN pgtandem.mapping AS m ON n.nspname = 'pgtandem_' || m.name));
BEGIN
    IF v_later IS NOT NULL THEN
        RAISE EXCEPTION 'triggers of % may change a row after % has looked at it', p_table,
            p_trigger
            USING ERRCODE = 'TD038',
                  DETAIL = format('They fire later, as PostgreSQL goes by the names: %s.', v_later),
                  HINT = 'Set sync.trigger in the mapping to a name that comes after theirs, as in '
                         '~pgtandem; render and deploy again.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_last(regclass, text) IS
    'Raises TD038 where other triggers before a write fire after this one, which sets columns.';

CREATE FUNCTION pgtandem.require_index(p_table regclass, p_columns text[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index AS x
        JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
        WHERE x.indrelid = p_table AND x.indisvalid AND x.indpred IS NULL
          AND a.attname = ANY (p_columns)
    ) THEN
        RAISE EXCEPTION 'no index of % begins with (%)', p_table, array_to_string(p_columns, ', ')
            USING ERRCODE = 'TD036',
                  DETAIL = 'By these columns the mapping finds the rows of a key: it would read '
                           'the whole table for each one.',
                  HINT = format('CREATE INDEX CONCURRENTLY ON %s (%s);', p_table,
                                (SELECT string_agg(quote_ident(c), ', ')
                                 FROM unnest(p_columns) AS c));
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_index(regclass, text[]) IS
    'Raises TD036 unless a valid index of the table, not a partial one, begins with one of these '
    'columns.';

CREATE FUNCTION pgtandem.require_deletable(p_source regclass, p_target regclass) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_keys text := (SELECT string_agg(format('%I', conname), ', ' ORDER BY conname)
                    FROM pg_constraint
                    WHERE contype = 'f' AND conrelid = p_target AND confrelid = p_source
                      AND conparentid = 0 AND confdeltype IN ('a', 'r'));
BEGIN
    IF v_keys IS NOT NULL THEN
        RAISE EXCEPTION 'foreign keys of % would keep the old application from deleting rows of %',
            p_target, p_source
            USING ERRCODE = 'TD037',
                  DETAIL = format('In mode queued its rows go a moment later than those they refer '
                                  'to: %s.', v_keys),
                  HINT = 'Make them anew with ON DELETE CASCADE, NOT VALID first.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_deletable(regclass, regclass) IS
    'Raises TD037 where a foreign key of the target refuses to let a row of the source go.';

CREATE FUNCTION pgtandem.is_default(p_table regclass, p_column text, p_value text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_default text;
    v_value   text;
    v_again   text;
BEGIN
    IF p_value IS NULL THEN
        RETURN true;
    END IF;
    SELECT format('(%s)::%s::text', pg_get_expr(d.adbin, d.adrelid),
                  format_type(a.atttypid, a.atttypmod))
    INTO v_default
    FROM pg_attrdef AS d
    JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adrelid = p_table AND a.attname = p_column;
    -- What counts up is never given by an application that does not know the column.
    IF v_default IS NULL OR v_default LIKE '%nextval(%' THEN
        RETURN v_default IS NOT NULL;
    END IF;
    -- @plpgsql_check_options: security_warnings = off
    -- The default is the table owner's own, as PostgreSQL writes it.
    EXECUTE 'SELECT ' || v_default INTO v_value;
    IF v_value = p_value THEN
        RETURN true;
    END IF;
    -- One that is another each time (a random UUID) cannot be told from what was given.
    EXECUTE 'SELECT ' || v_default INTO v_again;
    RETURN v_again IS DISTINCT FROM v_value;
END;
$$;
COMMENT ON FUNCTION pgtandem.is_default(regclass, text, text) IS
    'Whether a column holds, as text, NULL or what its default says in this transaction: whoever '
    'wrote the row did not give it.';

CREATE FUNCTION pgtandem.require_complete(p_mapping text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_state   text := (pgtandem.mapping_of(p_mapping)).copy_state;
    v_changed text := (SELECT string_agg(leaf, ', ') FROM pgtandem._changed_leaves(p_mapping));
BEGIN
    IF v_state <> 'complete' OR v_changed IS NOT NULL THEN
        RAISE EXCEPTION 'the copy of mapping "%" is not complete', p_mapping
            USING ERRCODE = 'TD019',
                  DETAIL = coalesce('Partitions have come or gone since: ' || v_changed || '.',
                                    format('It is %s.', v_state)),
                  HINT = format('pgtandem backfill %s, or in psql: CALL pgtandem.backfill(%L);',
                                p_mapping, p_mapping);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_complete(text) IS
    'Raises TD019 unless the copy of a mapping is proven complete.';

COMMIT;
