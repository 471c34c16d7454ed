-- Deploy pgtandem:dependents to pg
-- requires: mapping
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._dependents(regclass)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._dependents(p_table regclass) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT DISTINCT format('view %s', r.ev_class::regclass)
    FROM pg_depend AS d
    JOIN pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_class AS c ON c.oid = r.ev_class
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = p_table
      AND r.ev_class <> p_table
      AND c.relnamespace <> ALL (ARRAY(SELECT oid FROM pg_namespace
                                       WHERE nspname LIKE 'pgtandem\_%'))
    UNION
    SELECT format('foreign key %I of %s', conname, conrelid::regclass)
    FROM pg_constraint
    WHERE confrelid = p_table AND contype = 'f' AND conrelid <> p_table AND conparentid = 0
    UNION
    SELECT format('publication %I', p.pubname)
    FROM pg_publication_rel AS r
    JOIN pg_publication AS p ON p.oid = r.prpubid
    WHERE r.prrelid = p_table
    UNION
    SELECT format('row security policy %I', polname) FROM pg_policy WHERE polrelid = p_table;
$$;
COMMENT ON FUNCTION pgtandem._dependents(regclass) IS
    'What still hangs on a table and would follow it into the archive.';

CREATE FUNCTION pgtandem._cascades(
    p_source  regclass,
    p_target  regclass,
    p_columns text[] DEFAULT NULL
) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('%I of %s, %s', s.conname, p_source, pg_get_constraintdef(s.oid))
    FROM pg_constraint AS s
    WHERE s.conrelid = p_source AND s.contype = 'f' AND s.conparentid = 0
      AND (s.confdeltype NOT IN ('a', 'r') OR s.confupdtype NOT IN ('a', 'r'))
      AND (p_columns IS NULL OR EXISTS (
          SELECT FROM pg_attribute AS a
          WHERE a.attrelid = p_source AND a.attnum = ANY (s.conkey) AND a.attname = ANY (p_columns)
      ))
      AND NOT EXISTS (
          SELECT FROM pg_constraint AS t
          WHERE t.conrelid = p_target AND t.contype = 'f' AND t.conparentid = 0
            AND t.confrelid = CASE s.confrelid WHEN p_source THEN p_target ELSE s.confrelid END
            AND cardinality(t.conkey) = cardinality(s.conkey)
            AND (s.confdeltype IN ('a', 'r') OR t.confdeltype = s.confdeltype)
            AND (s.confupdtype IN ('a', 'r') OR t.confupdtype = s.confupdtype)
      );
$$;
COMMENT ON FUNCTION pgtandem._cascades(regclass, regclass, text[]) IS
    'The foreign keys of the source that write it (ON DELETE CASCADE, SET NULL, ...), and that '
    'have no like on the target: in the archive they would write what nobody reads any more. '
    'p_columns: only those on these columns.';

CREATE FUNCTION pgtandem._leaving(p_mapping text)
RETURNS TABLE (relation regclass, level integer, is_leaf boolean, place integer, name name,
               attnum smallint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.relid, t.level, t.relkind = 'r', c.place::integer, a.attname, a.attnum
    FROM (SELECT l.oid::regclass AS relid, 0 AS level, l.relkind
          FROM pgtandem.mapping_of(p_mapping) AS m JOIN pg_class AS l ON l.oid = m.source
          UNION ALL
          SELECT p.relid, p.level, l.relkind
          FROM pgtandem.mapping_of(p_mapping) AS m
          CROSS JOIN pg_partition_tree(m.source) AS p
          JOIN pg_class AS l ON l.oid = p.relid
          WHERE p.level > 0) AS t
    CROSS JOIN jsonb_array_elements_text(coalesce(
        (pgtandem.mapping_of(p_mapping)).settings #> '{contract,columns}', '[]'))
        WITH ORDINALITY AS c (name, place)
    JOIN pg_attribute AS a ON a.attrelid = t.relid AND a.attname = c.name AND NOT a.attisdropped;
$$;
COMMENT ON FUNCTION pgtandem._leaving(text) IS
    'The columns that contract takes out of the source, in it and each of its partitions, with '
    'their place in contract.columns.';

CREATE FUNCTION pgtandem._column_dependents(p_mapping text)
RETURNS TABLE (what text, cure text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH leaving AS (SELECT * FROM pgtandem._leaving(p_mapping)),
    hanging AS (
        SELECT DISTINCT d.classid::regclass AS class, d.objid AS oid
        FROM pg_depend AS d
        JOIN leaving AS l ON d.refclassid = 'pg_class'::regclass AND d.refobjid = l.relation
                         AND d.refobjsubid = l.attnum
        WHERE (d.deptype = 'n' OR d.classid = 'pg_statistic_ext'::regclass)
          -- What depends on itself goes along, and what we have made goes first.
          AND NOT EXISTS (SELECT FROM pg_depend AS own
                          JOIN leaving AS o ON own.refclassid = 'pg_class'::regclass
                               AND own.refobjid = o.relation AND own.refobjsubid = o.attnum
                          WHERE own.classid = d.classid AND own.objid = d.objid
                            AND own.deptype IN ('a', 'i')
                            AND own.classid <> 'pg_statistic_ext'::regclass)
    ),
    named AS (
        SELECT h.class, h.oid, w.rulename, w.ev_class::regclass AS view, v.relkind,
               c.conname, c.conrelid::regclass AS of_table,
               g.tgname, g.tgrelid::regclass AS on_table, y.polname,
               y.polrelid::regclass AS of_policy, u.pubname, r.prrelid::regclass AS published,
               e.adrelid::regclass AS generated, a.attname, f.oid::regprocedure AS routine,
               coalesce(f.pronamespace, v.relnamespace)::regnamespace::text AS schema,
               coalesce(c.conparentid, g.tgparentid, 0) <> 0
               OR coalesce(b.relispartition, false) AS inherited
        FROM hanging AS h
        LEFT JOIN pg_rewrite AS w ON h.class = 'pg_rewrite'::regclass AND w.oid = h.oid
        LEFT JOIN pg_class AS v ON v.oid = w.ev_class
        LEFT JOIN pg_constraint AS c ON h.class = 'pg_constraint'::regclass AND c.oid = h.oid
        LEFT JOIN pg_trigger AS g ON h.class = 'pg_trigger'::regclass AND g.oid = h.oid
        LEFT JOIN pg_policy AS y ON h.class = 'pg_policy'::regclass AND y.oid = h.oid
        LEFT JOIN pg_publication_rel AS r
               ON h.class = 'pg_publication_rel'::regclass AND r.oid = h.oid
        LEFT JOIN pg_publication AS u ON u.oid = r.prpubid
        LEFT JOIN pg_attrdef AS e ON h.class = 'pg_attrdef'::regclass AND e.oid = h.oid
        LEFT JOIN pg_class AS b ON b.oid = e.adrelid
        LEFT JOIN pg_attribute AS a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
        LEFT JOIN pg_proc AS f ON f.oid = h.oid AND h.class = 'pg_proc'::regclass
    )
    SELECT CASE WHEN relkind = 'v' AND rulename = '_RETURN' THEN format('view %s', view)
                WHEN relkind = 'm' THEN format('materialized view %s', view)
                WHEN attname IS NOT NULL
                THEN format('generated column %I of %s', attname, generated)
                ELSE pg_describe_object(class, oid, 0) END,
           CASE WHEN relkind = 'v' AND rulename = '_RETURN' THEN format('DROP VIEW %s;', view)
                WHEN relkind = 'm' THEN format('DROP MATERIALIZED VIEW %s;', view)
                WHEN rulename IS NOT NULL THEN format('DROP RULE %I ON %s;', rulename, view)
                WHEN tgname IS NOT NULL THEN format('DROP TRIGGER %I ON %s;', tgname, on_table)
                WHEN polname IS NOT NULL THEN format('DROP POLICY %I ON %s;', polname, of_policy)
                WHEN pubname IS NOT NULL
                THEN format('ALTER PUBLICATION %I DROP TABLE %s;', pubname, published)
                WHEN attname IS NOT NULL
                THEN format('ALTER TABLE %s ALTER COLUMN %I DROP EXPRESSION;', generated, attname)
                WHEN routine IS NOT NULL THEN format('DROP ROUTINE %s;', routine)
                WHEN conname IS NOT NULL
                THEN format('ALTER TABLE %s DROP CONSTRAINT %I;', of_table, conname)
                ELSE format('DROP %s;', replace(pg_describe_object(class, oid, 0),
                                                'statistics object', 'STATISTICS')) END
    FROM named
    WHERE schema IS DISTINCT FROM 'pgtandem_' || p_mapping AND NOT inherited
    UNION
    SELECT format('column %I of %s, which is generated', l.name, l.relation),
           format('ALTER TABLE %s ALTER COLUMN %I DROP EXPRESSION;', l.relation, l.name)
    FROM leaving AS l JOIN pg_attribute AS a ON a.attrelid = l.relation AND a.attnum = l.attnum
    WHERE a.attgenerated <> '' AND l.level = 0
    UNION
    SELECT format('exclusion constraint %I of %s', c.conname, l.relation),
           format('ALTER TABLE %s DROP CONSTRAINT %I;', l.relation, c.conname)
    FROM leaving AS l
    JOIN pg_constraint AS c ON c.conrelid = l.relation AND c.contype = 'x' AND c.conparentid = 0
    WHERE l.attnum = ANY (c.conkey)
    UNION
    SELECT format('replica identity %s of %s', i.indexrelid::regclass, l.relation),
           format('ALTER TABLE %s REPLICA IDENTITY DEFAULT;', l.relation)
    FROM leaving AS l JOIN pg_index AS i ON i.indrelid = l.relation AND i.indisreplident
    WHERE l.attnum = ANY (i.indkey)
    UNION
    SELECT format('partition key of %s', l.relation),
           format('Take %I out of contract.columns.', l.name)
    FROM leaving AS l JOIN pg_partitioned_table AS p ON p.partrelid = l.relation
    WHERE l.attnum = ANY (p.partattrs);
$$;
COMMENT ON FUNCTION pgtandem._column_dependents(text) IS
    'What still hangs on the columns that contract takes out of the source, and would fail it or '
    'could not be brought back; and what to type to make it go.';

CREATE FUNCTION pgtandem._column_readers(p_mapping text) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.oid::regprocedure::text
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_class AS c ON c.oid = (pgtandem.mapping_of(p_mapping)).source
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgtandem')
      AND n.nspname NOT LIKE 'pgtandem\_%'
      AND (p.prosrc ~* format('(^|\W)%s(\W|$)', regexp_replace(c.relname, '(\W)', '\\\1', 'g'))
           OR EXISTS (SELECT FROM pg_trigger AS t
                      WHERE t.tgfoid = p.oid AND t.tgrelid = c.oid AND NOT t.tgisinternal))
      AND EXISTS (SELECT FROM pgtandem._leaving(p_mapping) AS l
                  WHERE l.level = 0
                    AND p.prosrc ~* format('(^|\W)%s(\W|$)',
                                           regexp_replace(l.name, '(\W)', '\\\1', 'g')))
      AND NOT EXISTS (SELECT FROM pg_depend AS d
                      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                        AND d.deptype = 'e');
$$;
COMMENT ON FUNCTION pgtandem._column_readers(text) IS
    'Functions whose text names the source and a column that leaves it: PostgreSQL does not know '
    'what a function reads, so this is a guess, and may be wrong both ways.';

COMMIT;
