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
