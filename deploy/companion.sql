-- Deploy pgtandem:companion to pg
-- requires: dependents
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.companion') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.companion (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mapping     text NOT NULL REFERENCES pgtandem.mapping ON DELETE CASCADE,
    relation    regclass NOT NULL,
    column_name text,
    step        text NOT NULL CHECK (step IN ('column', 'default', 'back', 'after')),
    what        text,
    name        text,
    lock_mode   text,
    lock_also   regclass,
    statement   text
);
COMMENT ON TABLE pgtandem.companion IS
    'What goes with the columns that contract takes out of a source, and how its revert brings it '
    'back. Empty once that is done.';
COMMENT ON COLUMN pgtandem.companion.id IS 'The order in which it is brought back.';
COMMENT ON COLUMN pgtandem.companion.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.companion.relation IS 'The source, or a partition of it.';
COMMENT ON COLUMN pgtandem.companion.column_name IS 'The column; NULL where it is of several.';
COMMENT ON COLUMN pgtandem.companion.step IS
    'When it comes back. column, default: first, unseen. back: with the columns. after: when the '
    'columns are back.';
COMMENT ON COLUMN pgtandem.companion.what IS 'For people; NULL: not worth a line.';
COMMENT ON COLUMN pgtandem.companion.name IS 'Of an index that is built CONCURRENTLY.';
COMMENT ON COLUMN pgtandem.companion.lock_mode IS 'The lock to take in short tries, if any.';
COMMENT ON COLUMN pgtandem.companion.lock_also IS 'A table that is locked beside the relation.';
COMMENT ON COLUMN pgtandem.companion.statement IS
    'What to execute; of a column its type, of a default its expression or NULL.';

CREATE FUNCTION pgtandem._companions_of_columns(p_mapping text)
RETURNS SETOF pgtandem.companion
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH column_of AS (
        SELECT l.level, l.place, l.relation, l.name::text AS name, a.*,
               pg_get_expr(d.adbin, d.adrelid) AS value,
               format('pgtandem_old_%s_not_null', l.place) AS check_name,
               col_description(l.relation, l.attnum) AS comment,
               coalesce((SELECT bool_and(u.attnotnull) FROM pg_inherits AS i
                         JOIN pg_attribute AS u
                           ON u.attrelid = i.inhparent AND u.attname = l.name
                         WHERE i.inhrelid = l.relation), false) AS parent_not_null,
               (SELECT n.conname FROM pg_constraint AS n
                WHERE n.conrelid = l.relation AND n.contype = 'n'
                  AND n.conkey = ARRAY[l.attnum]) AS not_null_name
        FROM pgtandem._leaving(p_mapping) AS l
        JOIN pg_attribute AS a ON a.attrelid = l.relation AND a.attnum = l.attnum
        LEFT JOIN pg_attrdef AS d ON d.adrelid = l.relation AND d.adnum = l.attnum
    ),
    part (at, n, level, place, relation, name, step, what, lock_mode, statement) AS (
        SELECT 1, 0, c.level, c.place, c.relation, c.name, 'column', NULL, NULL,
               format_type(c.atttypid, c.atttypmod)
               || CASE WHEN c.attcollation <> t.typcollation
                       THEN format(' COLLATE %s', c.attcollation::regcollation) ELSE '' END
        FROM column_of AS c JOIN pg_type AS t ON t.oid = c.atttypid
        WHERE c.level = 0
        UNION ALL
        SELECT 2, 0, c.level, c.place, c.relation, c.name, 'default',
               CASE WHEN c.level = 0 THEN 'default ' || c.value END, NULL, c.value
        FROM column_of AS c
        WHERE c.attgenerated = '' AND (c.value IS NOT NULL OR c.level > 0)
        UNION ALL
        SELECT 3, 0, c.level, c.place, c.relation, c.name, 'back', 'comment', NULL,
               format('COMMENT ON COLUMN %s.%I IS %L', c.relation, c.name, c.comment)
        FROM column_of AS c WHERE c.comment IS NOT NULL
        UNION ALL
        SELECT 3, 0, c.level, c.place, c.relation, c.name, 'back',
               format('grant (%s to %s)', x.privilege_type, g.who), NULL,
               format('GRANT %s (%I) ON %s TO %s', x.privilege_type, c.name, c.relation, g.who)
               || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        FROM column_of AS c CROSS JOIN LATERAL aclexplode(c.attacl) AS x
        CROSS JOIN LATERAL (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC'
                                   ELSE quote_ident(pg_get_userbyid(x.grantee)) END) AS g (who)
        UNION ALL
        SELECT 3, 0, c.level, c.place, c.relation, c.name, 'back', s.what, NULL,
               format('ALTER TABLE ONLY %s ALTER COLUMN %I ', c.relation, c.name) || s.statement
        FROM column_of AS c JOIN pg_type AS t ON t.oid = c.atttypid
        CROSS JOIN LATERAL (VALUES
            ('statistics target', CASE WHEN c.attstattarget >= 0
             THEN 'SET STATISTICS ' || c.attstattarget END),
            ('options', 'SET (' || array_to_string(c.attoptions, ', ') || ')'),
            ('storage', CASE WHEN c.attstorage <> t.typstorage THEN 'SET STORAGE ' ||
             (jsonb '{"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}'
              ->> c.attstorage::text) END),
            ('compression', CASE WHEN c.attcompression <> '' THEN 'SET COMPRESSION ' ||
             (jsonb '{"p": "pglz", "l": "lz4"}' ->> c.attcompression::text) END)
        ) AS s (what, statement)
        WHERE s.statement IS NOT NULL
        UNION ALL
        -- NOT NULL comes back as a check first, so that nothing is scanned under a lock.
        SELECT 4, s.n, c.level, c.place, c.relation, c.name, s.step, s.what, s.lock_mode,
               format('ALTER TABLE %s ', c.relation) || s.statement
        FROM column_of AS c
        CROSS JOIN LATERAL (VALUES
            (1, 'back', 'NOT NULL', NULL,
             format('ADD CONSTRAINT %I CHECK (%I IS NOT NULL) NOT VALID', c.check_name, c.name)),
            (2, 'after', NULL, NULL, format('VALIDATE CONSTRAINT %I', c.check_name)),
            (3, 'after', NULL, 'ACCESS EXCLUSIVE',
             CASE WHEN c.not_null_name IS NULL THEN format('ALTER COLUMN %I SET NOT NULL', c.name)
                  ELSE format('ADD CONSTRAINT %I NOT NULL %I', c.not_null_name, c.name) END),
            (4, 'after', NULL, 'ACCESS EXCLUSIVE', format('DROP CONSTRAINT %I', c.check_name))
        ) AS s (n, step, what, lock_mode, statement)
        WHERE c.attnotnull AND NOT c.parent_not_null
    )
    SELECT row_number() OVER (ORDER BY p.at, p.level, p.place, p.n), p_mapping, p.relation,
           p.name, p.step,
           CASE WHEN p.what IS NOT NULL THEN format('%s of %I', p.what, p.name) END
           || CASE WHEN p.level > 0 THEN format(' in %s', p.relation) ELSE '' END,
           NULL::text, p.lock_mode, NULL::regclass, p.statement
    FROM part AS p;
$$;
COMMENT ON FUNCTION pgtandem._companions_of_columns(text) IS
    'Type, default, comment, grants, NOT NULL and storage of each column that leaves the source.';

CREATE FUNCTION pgtandem._companions_of_table(p_mapping text)
RETURNS SETOF pgtandem.companion
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH leaving AS (SELECT * FROM pgtandem._leaving(p_mapping)),
    level AS (SELECT DISTINCT relation, level, is_leaf FROM leaving),
    touched AS (
        -- Indexes that are on a leaving column, or whose expressions or condition read one.
        SELECT l.*, i.oid, i.relname, i.relkind, i.relispartition, n.nspname, k.oid AS constrains,
               k.conname
        FROM level AS l
        JOIN pg_index AS x ON x.indrelid = l.relation
        JOIN pg_class AS i ON i.oid = x.indexrelid
        JOIN pg_namespace AS n ON n.oid = i.relnamespace
        LEFT JOIN pg_constraint AS k ON k.conindid = i.oid AND k.conrelid = l.relation
                                    AND k.contype IN ('p', 'u')
        WHERE EXISTS (SELECT FROM pg_depend AS d JOIN leaving AS a
                      ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.relation
                         AND d.refobjsubid = a.attnum
                      WHERE (d.classid, d.objid) IN (('pg_class'::regclass, i.oid),
                                                     ('pg_constraint'::regclass, k.oid)))
    ),
    constrained AS (
        SELECT l.*, k.oid, k.conname, k.contype, k.conparentid, k.coninhcount, k.condeferrable,
               k.condeferred, k.convalidated, k.confrelid, pg_get_constraintdef(k.oid) AS definition
        FROM level AS l
        JOIN pg_constraint AS k ON k.conrelid = l.relation
        WHERE EXISTS (SELECT FROM leaving AS a
                      WHERE a.relation = l.relation AND a.attnum = ANY (k.conkey))
    ),
    part (at, n, level, relation, step, what, name, lock_mode, lock_also, statement) AS (
        -- First the indexes of leaves, then of what has leaves, then all under their parents.
        SELECT CASE relkind WHEN 'i' THEN 1 ELSE 3 END, 0, level, relation, 'after',
               CASE WHEN constrains IS NULL AND NOT relispartition
                    THEN format('index %I', relname) END,
               CASE relkind WHEN 'i' THEN format('%I.%I', nspname, relname) END,
               CASE relkind WHEN 'i' THEN NULL ELSE 'SHARE ROW EXCLUSIVE' END, 0::oid,
               CASE WHEN relkind = 'i'
                    THEN regexp_replace(pg_get_indexdef(oid), '^CREATE (UNIQUE )?INDEX ',
                                        'CREATE \1INDEX CONCURRENTLY ')
                    WHEN constrains IS NULL THEN pg_get_indexdef(oid)
                    ELSE format('ALTER TABLE ONLY %s ADD CONSTRAINT %I %s', relation, conname,
                                pg_get_constraintdef(constrains)) END
        FROM touched
        UNION ALL
        SELECT 4, 0, -t.level, t.relation, 'after', NULL, NULL, 'ACCESS EXCLUSIVE', 0::oid,
               format('ALTER INDEX %s ATTACH PARTITION %s', h.inhparent::regclass,
                      h.inhrelid::regclass)
        FROM touched AS t JOIN pg_inherits AS h ON h.inhrelid = t.oid
        UNION ALL
        SELECT 2, 0, level, relation, 'after',
               CASE WHEN conparentid = 0 THEN format('constraint %I: %s', conname, definition) END,
               NULL, 'ACCESS EXCLUSIVE', 0::oid,
               CASE WHEN is_leaf
                    THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s%s', relation,
                                conname, CASE contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END,
                                conname, CASE WHEN condeferrable THEN ' DEFERRABLE' ELSE '' END,
                                CASE WHEN condeferred THEN ' INITIALLY DEFERRED' ELSE '' END) END
        FROM constrained WHERE contype IN ('p', 'u')
        UNION ALL
        SELECT 5, s.n, c.level, c.relation, s.step, s.what, NULL, s.lock_mode, c.confrelid,
               format('ALTER TABLE %s ', c.relation) || s.statement
        FROM constrained AS c
        CROSS JOIN LATERAL (VALUES
            (1, CASE c.contype WHEN 'c' THEN 'back' ELSE 'after' END,
             format('constraint %I: %s', c.conname, c.definition),
             CASE c.contype WHEN 'f' THEN 'SHARE ROW EXCLUSIVE' END,
             format('ADD CONSTRAINT %I %s%s', c.conname,
                    regexp_replace(c.definition, ' NOT VALID$', ''),
                    CASE WHEN c.contype = 'c' OR c.is_leaf THEN ' NOT VALID' ELSE '' END)),
            (2, 'after', NULL, NULL, CASE WHEN c.convalidated AND (c.contype = 'c' OR c.is_leaf)
                                          THEN format('VALIDATE CONSTRAINT %I', c.conname) END)
        ) AS s (n, step, what, lock_mode, statement)
        WHERE c.contype IN ('c', 'f') AND c.coninhcount = 0 AND c.conparentid = 0
        UNION ALL
        SELECT 6, 0, o.level, o.relation, 'after', format('comment on %s', o.called), NULL, NULL,
               0::oid, format('COMMENT ON %s IS %L', o.called, o.comment)
        FROM (SELECT level, relation, format('INDEX %s', oid::regclass),
                     obj_description(oid, 'pg_class') FROM touched
              UNION
              SELECT level, relation, format('CONSTRAINT %I ON %s', conname, relation),
                     obj_description(oid, 'pg_constraint') FROM constrained)
             AS o (level, relation, called, comment)
        WHERE o.comment IS NOT NULL
    )
    SELECT 1000 + row_number() OVER (ORDER BY p.at, p.level, p.relation, p.n, p.statement),
           p_mapping, p.relation, NULL::text, p.step,
           p.what || CASE WHEN p.level <> 0 THEN format(' in %s', p.relation) ELSE '' END,
           p.name, p.lock_mode, nullif(p.lock_also, 0)::regclass, p.statement
    FROM part AS p
    WHERE p.statement IS NOT NULL OR p.what IS NOT NULL;
$$;
COMMENT ON FUNCTION pgtandem._companions_of_table(text) IS
    'Indexes and constraints on the columns that leave the source, alone or with others.';

CREATE FUNCTION pgtandem.companions(p_mapping text) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.what
    FROM (SELECT * FROM pgtandem._companions_of_columns(p_mapping)
          UNION ALL
          SELECT * FROM pgtandem._companions_of_table(p_mapping)) AS c
    WHERE c.what IS NOT NULL
    ORDER BY c.id;
$$;
COMMENT ON FUNCTION pgtandem.companions(text) IS
    'What goes with the columns that contract takes out of the source, and comes back with its '
    'revert: defaults, NOT NULL, comments, grants, indexes, constraints.';

COMMIT;
