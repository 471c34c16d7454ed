-- Deploy pgtandem:trial to pg
-- requires: chunk
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._fit_tables(text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._image_rows(p_mapping text, p_view text DEFAULT 'image') RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- The renderer calls the source so, and names it first.
    SELECT '(' || regexp_replace(
        rtrim(pg_get_viewdef(to_regclass(format('pgtandem_%s.%s', p_mapping, p_view))), ';'),
        '^\s*SELECT ', 'SELECT source.tableoid AS "pgtandem:leaf", source.ctid AS "pgtandem:row", '
        ) || ') AS i WHERE i."pgtandem:leaf" = $1 AND i."pgtandem:row" = ANY ($2)';
$$;
COMMENT ON FUNCTION pgtandem._image_rows(text, text) IS
    'What follows FROM to read the images (i) of some rows of the source: $1 the table (oid), $2 '
    'their ctids. p_view: another view of the mapping, image_of_key or categories.';

CREATE FUNCTION pgtandem._fit_columns(p_mapping text)
RETURNS TABLE (name name, type text, mapped boolean, filled text, required boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), x.mapped,
           -- A sequence would lose numbers, and a function of somebody's may do anything.
           CASE WHEN NOT x.mapped AND NOT EXISTS (
                    SELECT FROM pg_depend AS p
                    WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                      AND (p.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
                           OR p.refclassid = 'pg_class'::regclass AND p.refobjid <> m.target))
                THEN pg_get_expr(d.adbin, d.adrelid) END,
           -- Where rows are there already, as they are for a document, they have their values.
           a.attnotnull AND NOT x.mapped AND d.oid IS NULL AND a.attidentity = ''
           AND m.source <> m.target AND NOT EXISTS (
               SELECT FROM pg_attribute AS i
               WHERE i.attrelid = v.image AND i.attnum > 0
                 AND NOT EXISTS (SELECT FROM pg_attribute AS o WHERE o.attrelid = m.target
                                 AND o.attnum > 0 AND o.attname = i.attname))
    FROM pgtandem.mapping AS m
    CROSS JOIN LATERAL (SELECT to_regclass(format('pgtandem_%s.image', m.name)) AS image) AS v
    JOIN pg_attribute AS a ON a.attrelid = m.target AND a.attnum > 0 AND NOT a.attisdropped
                          AND a.attgenerated = ''
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT FROM pg_attribute AS i WHERE i.attrelid = v.image AND i.attname = a.attname
          AND i.attnum > 0) AS mapped) AS x
    WHERE m.name = p_mapping
    ORDER BY a.attnum;
$$;
COMMENT ON FUNCTION pgtandem._fit_columns(text) IS
    'The columns of the target, whether the mapping gives each, else a default that may be tried '
    '(filled), and whether a value is required that nobody gives.';

CREATE FUNCTION pgtandem._fit_insert(
    p_mapping text,
    p_into    text,
    p_column  name DEFAULT NULL,
    p_before  bigint DEFAULT 0
) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- What a sequence would give, or the rows that are there have: any number will do.
    SELECT format('INSERT INTO pg_temp.%I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s%s '
                  'ON CONFLICT DO NOTHING',
                  p_into, string_agg(format('%I', c.name), ', '),
                  string_agg(CASE WHEN c.mapped THEN format('i.%I', c.name)
                                  ELSE format('%s + row_number() OVER ()', p_before) END, ', '),
                  pgtandem._image_rows(p_mapping),
                  -- Paths into a document are no columns of the target: read them all the same.
                  (SELECT format(' AND ROW(%s)::text IS NOT NULL',
                                 string_agg(format('i.%I', a.attname), ', '))
                   FROM pg_attribute AS a
                   WHERE a.attrelid = to_regclass(format('pgtandem_%s.image', p_mapping))
                     AND a.attnum > 0 AND p_column IS NULL
                     AND a.attname NOT IN (SELECT f.name FROM pgtandem._fit_columns(p_mapping) AS f)
                   HAVING count(*) > 0))
    FROM pgtandem._fit_columns(p_mapping) AS c
    WHERE c.name = p_column
       OR p_column IS NULL
          AND (c.mapped OR NOT c.required AND c.filled IS NULL
                           AND c.type IN ('integer', 'bigint', 'numeric'));
$$;
COMMENT ON FUNCTION pgtandem._fit_insert(text, text, name, bigint) IS
    'The INSERT of images into a temporary table, in full or one column; parameters as '
    '_image_rows. p_before: how many are there already.';

CREATE FUNCTION pgtandem._fit_error(p_statement text, p_leaf regclass, p_rows tid[])
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_fits       boolean := false;
    v_message    text;
    v_column     text;
    v_constraint text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- Rolled back in any case: a subtransaction that stays is one more for every snapshot.
    EXECUTE p_statement USING p_leaf::oid, p_rows;
    v_fits := true;
    RAISE EXCEPTION 'as it fits';
EXCEPTION
    WHEN OTHERS THEN
        IF v_fits THEN
            RETURN NULL;
        END IF;
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_column = COLUMN_NAME,
                                v_constraint = CONSTRAINT_NAME;
        RETURN jsonb_build_object('sqlstate', SQLSTATE, 'message', v_message,
                                  'column', nullif(v_column, ''),
                                  'constraint', nullif(v_constraint, ''));
END;
$$;
COMMENT ON FUNCTION pgtandem._fit_error(text, regclass, tid[]) IS
    'What PostgreSQL says of a statement over some rows of the source; NULL: nothing. Undone.';

CREATE FUNCTION pgtandem._fit_failures(
    p_mapping text, p_leaf regclass, p_rows tid[], p_limit integer, p_deadline timestamptz
) RETURNS TABLE (failed tid, error jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapped    name[] := ARRAY(SELECT c.name FROM pgtandem._fit_columns(p_mapping) AS c
                                WHERE c.mapped);
    v_statement text := pgtandem._fit_insert(p_mapping, 'pgtandem_fit');
    v_parts     int4range[] := ARRAY[int4range(1, cardinality(p_rows) + 1)];
    v_part      int4range;
    v_half      integer;
    v_column    name;
BEGIN
    -- Halves of halves, until each row that fails stands alone.
    WHILE cardinality(v_parts) > 0 AND p_limit > 0 LOOP
        v_part := v_parts[cardinality(v_parts)];
        v_parts := v_parts[:cardinality(v_parts) - 1];
        error := pgtandem._fit_error(v_statement, p_leaf,
                                     p_rows[lower(v_part):upper(v_part) - 1]);
        CONTINUE WHEN error IS NULL;
        IF upper(v_part) - lower(v_part) > 1 THEN
            -- The clock counts from the first failure on: a first look is always whole.
            EXIT WHEN clock_timestamp() > p_deadline;
            v_half := (lower(v_part) + upper(v_part)) / 2;
            v_parts := v_parts || int4range(v_half, upper(v_part))
                               || int4range(lower(v_part), v_half);
            CONTINUE;
        END IF;
        failed := p_rows[lower(v_part)];
        IF error ->> 'column' IS NULL AND error ->> 'constraint' IS NULL THEN
            -- PostgreSQL does not say which column is too short: try one at a time.
            FOREACH v_column IN ARRAY v_mapped LOOP
                IF pgtandem._fit_error(
                       pgtandem._fit_insert(p_mapping, 'pgtandem_bare', v_column), p_leaf,
                       ARRAY[failed]) ->> 'sqlstate' = error ->> 'sqlstate' THEN
                    error := error || jsonb_build_object('column', v_column);
                    EXIT;
                END IF;
            END LOOP;
        END IF;
        p_limit := p_limit - 1;
        RETURN NEXT;
    END LOOP;
    IF cardinality(v_parts) > 0 OR error IS NOT NULL AND clock_timestamp() > p_deadline THEN
        failed := NULL;
        error := NULL;
        RETURN NEXT;
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._fit_failures(text, regclass, tid[], integer, timestamptz) IS
    'The rows among p_rows whose image the target cannot take, each with the error. A row of NULLs '
    'at the end: it stopped early, at p_limit or p_deadline.';

CREATE FUNCTION pgtandem._fit_tables(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_target regclass := (pgtandem.mapping_of(p_mapping)).target;
    v_table  text;
    v_late   name;
    v_column record;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The default is that of the target, as PostgreSQL writes it.
    FOREACH v_table IN ARRAY ARRAY['pgtandem_fit', 'pgtandem_bare', 'pgtandem_size'] LOOP
        IF to_regclass('pg_temp.' || v_table) IS NOT NULL THEN
            EXECUTE format('DROP TABLE pg_temp.%I', v_table);
        END IF;
        EXECUTE format('CREATE TEMPORARY TABLE %I (LIKE %s %s) ON COMMIT DROP', v_table, v_target,
            CASE v_table
                WHEN 'pgtandem_fit' THEN 'INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING '
                                         'GENERATED INCLUDING STORAGE INCLUDING COMPRESSION'
                WHEN 'pgtandem_size' THEN 'INCLUDING INDEXES INCLUDING GENERATED INCLUDING STORAGE '
                                          'INCLUDING COMPRESSION'
                ELSE '' END);
        -- ON CONFLICT does not know them.
        FOR v_late IN SELECT conname FROM pg_constraint
                      WHERE conrelid = to_regclass('pg_temp.' || v_table) AND condeferrable LOOP
            EXECUTE format('ALTER TABLE pg_temp.%I DROP CONSTRAINT %I', v_table, v_late);
        END LOOP;
    END LOOP;
    FOR v_column IN SELECT * FROM pgtandem._fit_columns(p_mapping) LOOP
        FOREACH v_table IN ARRAY ARRAY['pgtandem_fit', 'pgtandem_size', 'pgtandem_bare'] LOOP
            IF v_table = 'pgtandem_bare' OR NOT v_column.mapped AND NOT v_column.required
                   AND v_column.filled IS NULL
                   AND v_column.type NOT IN ('integer', 'bigint', 'numeric') THEN
                -- A value that we have no right to make: neither it nor its key is tried.
                FOR v_late IN SELECT conname FROM pg_constraint AS k
                              JOIN pg_attribute AS a ON a.attrelid = k.conrelid
                                                    AND a.attnum = ANY (k.conkey)
                              WHERE k.conrelid = to_regclass('pg_temp.' || v_table)
                                AND k.contype = 'p' AND a.attname = v_column.name LOOP
                    EXECUTE format('ALTER TABLE pg_temp.%I DROP CONSTRAINT %I', v_table, v_late);
                END LOOP;
                EXECUTE format('ALTER TABLE pg_temp.%I ALTER %I DROP NOT NULL', v_table,
                               v_column.name);
            ELSIF v_column.filled IS NOT NULL THEN
                EXECUTE format('ALTER TABLE pg_temp.%I ALTER %I SET DEFAULT %s', v_table,
                               v_column.name, v_column.filled);
            END IF;
        END LOOP;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._fit_tables(text) IS
    'Temporary copies of the target, dropped at commit: pgtandem_fit with its constraints and '
    'indexes, pgtandem_size with its indexes, pgtandem_bare with neither.';

COMMIT;
