-- Deploy pgtandem:fit to pg
-- requires: trial
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.fit(text, integer)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._fit_orphans(p_mapping text)
RETURNS TABLE (name name, refers_to text, orphans bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_target regclass := (pgtandem.mapping_of(p_mapping)).target;
    v_key    record;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    FOR v_key IN
        SELECT f.conname, f.confrelid,
               string_agg(format('r.%I OPERATOR(%I.%s) s.%I', r.attname, n.nspname, o.oprname,
                                 a.attname), ' AND ') AS same,
               string_agg(format('s.%I IS NOT NULL', a.attname), ' AND ') AS given
        FROM pg_constraint AS f
        CROSS JOIN LATERAL unnest(f.conkey, f.confkey, f.conpfeqop) AS k (own, other, operator)
        JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.own
        JOIN pg_attribute AS r ON r.attrelid = f.confrelid AND r.attnum = k.other
        JOIN pg_operator AS o ON o.oid = k.operator
        JOIN pg_namespace AS n ON n.oid = o.oprnamespace
        WHERE f.conrelid = v_target AND f.contype = 'f' AND f.confrelid <> v_target
          AND f.conparentid = 0
        GROUP BY f.conname, f.confrelid
    LOOP
        name := v_key.conname;
        refers_to := v_key.confrelid::regclass;
        EXECUTE format('SELECT count(*) FROM pg_temp.pgtandem_size AS s WHERE %s AND NOT EXISTS '
                       '(SELECT FROM %s AS r WHERE %s)', v_key.given, refers_to, v_key.same)
        INTO orphans;
        RETURN NEXT;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._fit_orphans(text) IS
    'For each foreign key of the target to another table: how many of the images in pgtandem_size '
    'refer to a row that is not there.';

CREATE FUNCTION pgtandem._fit_total(p_mapping text) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- As the planner does: the density of the last ANALYZE, the size of now.
    SELECT coalesce(sum(pg_relation_size(c.oid) / current_setting('block_size')::integer
                        * CASE WHEN c.relpages > 0 AND c.reltuples >= 0
                               THEN c.reltuples / c.relpages ELSE 80 END), 0)::bigint
    FROM pgtandem._leaves((pgtandem.mapping_of(p_mapping)).source) AS l
    JOIN pg_class AS c ON c.oid = l;
$$;
COMMENT ON FUNCTION pgtandem._fit_total(text) IS 'About how many rows the source has.';

CREATE FUNCTION pgtandem._fit_rows(p_mapping text, p_rows integer)
RETURNS TABLE (leaf regclass, rows tid[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_percent real;
    v_blocks  real;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    SELECT least(100, 100.0 * p_rows / nullif(e.rows, 0)) INTO v_percent
    FROM pgtandem._fit_total(p_mapping) AS e (rows);
    FOR leaf IN SELECT pgtandem._leaves((pgtandem.mapping_of(p_mapping)).source) LOOP
        IF v_percent < 50 THEN
            -- A row or so of each block: rows of one block are often alike.
            v_blocks := least(100, greatest(v_percent, 200.0 * p_rows
                * current_setting('block_size')::integer / greatest(1, pg_relation_size(leaf))));
            EXECUTE format('SELECT array_agg(ctid) FROM ONLY %s TABLESAMPLE SYSTEM (%s) '
                           'WHERE random() < %s', leaf, v_blocks, v_percent / v_blocks)
            INTO rows;
            RETURN NEXT;
            CONTINUE;
        END IF;
        FOR v_block IN 0..pg_relation_size(leaf) / current_setting('block_size')::integer BY 512
        LOOP
            EXECUTE format('SELECT array_agg(ctid) FROM ONLY %s WHERE ctid >= $1 AND ctid < $2',
                           leaf)
            INTO rows USING format('(%s,0)', v_block)::tid, format('(%s,0)', v_block + 512)::tid;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._fit_rows(text, integer) IS
    'The ctids of about p_rows rows of the source, a row or so of each of many random blocks; of '
    'all where that is more than half of them, or p_rows is NULL.';

CREATE FUNCTION pgtandem._fit_key(p_mapping text, p_leaf regclass, p_row tid) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The view is our own, as PostgreSQL writes it.
    EXECUTE format('SELECT jsonb_build_array(%s)::text FROM %s',
                   (SELECT string_agg(format('i.%I::text', k), ', ')
                    FROM unnest((pgtandem.mapping_of(p_mapping)).key) AS k),
                   pgtandem._image_rows(p_mapping))
    INTO v_key USING p_leaf::oid, ARRAY[p_row];
    RETURN v_key;
EXCEPTION
    WHEN OTHERS THEN
        RETURN format('%s, ctid %s', p_leaf, p_row);  -- it is the key that fails
END;
$$;
COMMENT ON FUNCTION pgtandem._fit_key(text, regclass, tid) IS
    'The key of the image of a row of the source, or where that row is.';

CREATE FUNCTION pgtandem.fit(
    p_mapping       text,
    p_rows          integer DEFAULT 10000,
    OUT source_rows bigint,
    OUT tried       bigint,
    OUT failing     bigint,
    OUT stopped     boolean,
    OUT failures    jsonb,
    OUT duplicates  bigint,
    OUT orphans     jsonb,
    OUT table_bytes bigint,
    OUT index_bytes bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping  pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_deadline timestamptz := clock_timestamp() + interval '20 seconds';
    v_copy     regclass;
    v_batch    record;
    v_failed   record;
    v_good     tid[];
    v_images   bigint;
    v_new      bigint;
    v_sized    bigint := 0;
    v_fitting  bigint := 0;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    IF p_rows < 1 THEN
        RAISE EXCEPTION 'a sample of % rows is none', p_rows
            USING ERRCODE = 'TD070', HINT = 'Give a number over 0, or NULL for all rows.';
    ELSIF to_regclass(format('pgtandem_%s.image', p_mapping)) IS NULL THEN
        RAISE EXCEPTION 'mapping "%" has no image of its source any more', p_mapping
            USING ERRCODE = 'TD071',
                  DETAIL = 'A table of it was dropped, or lost a column, and the view with it.',
                  HINT = 'Restore it, then: sqitch deploy';
    END IF;
    PERFORM pgtandem._fit_tables(p_mapping);
    tried := 0;
    failing := 0;
    stopped := false;
    failures := '[]';
    duplicates := 0;
    FOR v_batch IN SELECT * FROM pgtandem._fit_rows(p_mapping, p_rows) AS r
                   WHERE r.rows IS NOT NULL LOOP
        tried := tried + cardinality(v_batch.rows);
        v_good := v_batch.rows;
        FOR v_failed IN SELECT * FROM pgtandem._fit_failures(
                            p_mapping, v_batch.leaf, v_batch.rows, (200 - failing)::integer,
                            v_deadline) LOOP
            stopped := v_failed.failed IS NULL;
            EXIT WHEN stopped;
            failing := failing + 1;
            v_good := array_remove(v_good, v_failed.failed);
            failures := failures || (v_failed.error || jsonb_build_object(
                'example', pgtandem._fit_key(p_mapping, v_batch.leaf, v_failed.failed)));
        END LOOP;
        EXIT WHEN stopped;
        TRUNCATE pg_temp.pgtandem_fit;  -- of what was tried and undone
        EXECUTE format('SELECT count(*) FROM %s', pgtandem._image_rows(p_mapping))
        INTO v_images USING v_batch.leaf::oid, v_good;
        EXECUTE pgtandem._fit_insert(p_mapping, 'pgtandem_size', NULL, v_sized)
        USING v_batch.leaf::oid, v_good;
        GET DIAGNOSTICS v_new = ROW_COUNT;
        v_sized := v_sized + v_new;
        v_fitting := v_fitting + cardinality(v_good);
        duplicates := duplicates + v_images - v_new;
    END LOOP;
    SELECT coalesce(jsonb_agg(f ORDER BY f.rows DESC), '[]') INTO failures
    FROM (SELECT e ->> 'sqlstate' AS sqlstate, min(e ->> 'message') AS message,
                 coalesce('column ' || (e ->> 'column'), 'constraint ' || (e ->> 'constraint'))
                     AS place,
                 count(*) AS rows, min(e ->> 'example') AS example
          FROM jsonb_array_elements(failures) AS e
          GROUP BY 1, 3) AS f;
    source_rows := CASE WHEN p_rows IS NULL AND NOT stopped THEN tried
                        ELSE greatest(tried, pgtandem._fit_total(p_mapping)) END;
    SELECT coalesce(jsonb_agg(o), '[]') INTO orphans
    FROM pgtandem._fit_orphans(p_mapping) AS o WHERE o.orphans > 0;
    v_copy := to_regclass('pg_temp.pgtandem_size');
    table_bytes := pg_table_size(v_copy) * source_rows / greatest(1, v_fitting);
    index_bytes := pg_indexes_size(v_copy) * source_rows / greatest(1, v_fitting);
    IF v_mapping.source = v_mapping.target THEN
        -- Each row is written anew, with all its columns.
        SELECT sum(pg_table_size(l)), sum(pg_indexes_size(l)) INTO table_bytes, index_bytes
        FROM pgtandem._leaves(v_mapping.target) AS l;
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.fit(text, integer) IS
    'Tries the images of about p_rows rows of the source (NULL: all) on temporary copies of the '
    'target, which need as much disk: tried, failing (200 at most; stopped: there may be more), '
    'and why. duplicates: images that a unique index or an exclusion constraint keeps out. '
    'orphans: by foreign key. table_bytes and index_bytes: of the target, for all source_rows. '
    'Not tried: triggers, deferrable constraints, partitions, sequences and functions in '
    'defaults, and whether rows that the target has are in the way. Beside writers, call it in '
    'REPEATABLE READ, or a moved row counts twice. TD070, TD071.';

COMMIT;
