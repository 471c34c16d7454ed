-- Deploy pgtandem:comparison to pg
-- requires: recheck
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.comparison') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.comparison (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mapping     text NOT NULL REFERENCES pgtandem.mapping ON DELETE CASCADE,
    hash        text NOT NULL,
    scope       text NOT NULL CHECK (scope IN ('full', 'sample')),
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    snapshot    text NOT NULL,
    source_rows bigint NOT NULL,
    target_rows bigint NOT NULL,
    missing     bigint NOT NULL,
    extra       bigint NOT NULL,
    changed     bigint NOT NULL,
    source_reads bigint NOT NULL,
    role        text NOT NULL DEFAULT session_user,
    CHECK (finished_at >= started_at)
);
CREATE INDEX comparison_mapping_idx ON pgtandem.comparison (mapping, id);

COMMENT ON TABLE pgtandem.comparison IS 'Comparisons of image and target, each on one snapshot.';
COMMENT ON COLUMN pgtandem.comparison.id IS 'Number of the comparison.';
COMMENT ON COLUMN pgtandem.comparison.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.comparison.hash IS
    'Of the mapping then deployed; another one now: it no longer counts.';
COMMENT ON COLUMN pgtandem.comparison.scope IS
    'full: every row. sample: some keys; proves nothing.';
COMMENT ON COLUMN pgtandem.comparison.started_at IS 'When its snapshot was taken.';
COMMENT ON COLUMN pgtandem.comparison.finished_at IS 'When its result was stored.';
COMMENT ON COLUMN pgtandem.comparison.snapshot IS 'pg_current_snapshot() of it.';
COMMENT ON COLUMN pgtandem.comparison.source_rows IS 'Rows of the image that were compared.';
COMMENT ON COLUMN pgtandem.comparison.target_rows IS 'Rows of the target that were compared.';
COMMENT ON COLUMN pgtandem.comparison.missing IS 'Images that the target lacks.';
COMMENT ON COLUMN pgtandem.comparison.extra IS 'Rows of the target without an image.';
COMMENT ON COLUMN pgtandem.comparison.changed IS 'Rows that differ in a synced column.';
COMMENT ON COLUMN pgtandem.comparison.source_reads IS
    'pgtandem.reads_of(source) when it was stored.';
COMMENT ON COLUMN pgtandem.comparison.role IS 'session_user of who compared.';

CREATE TABLE pgtandem.comparison_area (
    comparison bigint NOT NULL REFERENCES pgtandem.comparison ON DELETE CASCADE,
    place      integer NOT NULL,
    area       text,
    columns    text[] NOT NULL,
    changed    bigint NOT NULL,
    PRIMARY KEY (comparison, place)
);

COMMENT ON TABLE pgtandem.comparison_area IS
    'What a comparison found by areas, if the mapping has any; a row may differ in several.';
COMMENT ON COLUMN pgtandem.comparison_area.comparison IS 'The comparison.';
COMMENT ON COLUMN pgtandem.comparison_area.place IS 'Of the area in the mapping, from 1.';
COMMENT ON COLUMN pgtandem.comparison_area.area IS
    'Name of the area; NULL: the columns that are in none.';
COMMENT ON COLUMN pgtandem.comparison_area.columns IS 'The columns of the area.';
COMMENT ON COLUMN pgtandem.comparison_area.changed IS 'All rows that differ in one of them.';

CREATE TABLE pgtandem.difference (
    comparison   bigint NOT NULL REFERENCES pgtandem.comparison ON DELETE CASCADE,
    key          jsonb NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('missing', 'extra', 'changed')),
    area         text,
    column_name  text,
    source_value text,
    target_value text
);
CREATE INDEX difference_comparison_idx ON pgtandem.difference (comparison);

COMMENT ON TABLE pgtandem.difference IS
    'What a comparison found: a row for each key, for changed ones a row for each column.';
COMMENT ON COLUMN pgtandem.difference.comparison IS 'The comparison that found it.';
COMMENT ON COLUMN pgtandem.difference.key IS 'JSON array of the key columns.';
COMMENT ON COLUMN pgtandem.difference.kind IS 'missing in the target, extra in it, or changed.';
COMMENT ON COLUMN pgtandem.difference.area IS
    'Area of the column; NULL: it is in none, or the whole row differs.';
COMMENT ON COLUMN pgtandem.difference.column_name IS 'Column of the target; NULL: the whole row.';
COMMENT ON COLUMN pgtandem.difference.source_value IS
    'What the target should hold, as text, cut after 1,000 characters.';
COMMENT ON COLUMN pgtandem.difference.target_value IS 'What it holds, likewise.';

CREATE FUNCTION pgtandem.areas_of(p_mapping text)
RETURNS TABLE (place integer, area text, columns text[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.n, a.item ->> 'area', ARRAY(SELECT jsonb_array_elements_text(a.item -> 'columns'))
    FROM pgtandem.mapping AS m,
         jsonb_array_elements(m.settings -> 'areas') WITH ORDINALITY AS a (item, n)
    WHERE m.name = p_mapping;
$$;
COMMENT ON FUNCTION pgtandem.areas_of(text) IS
    'The areas of a mapping in its order; last, without a name, the columns that are in none. '
    'No row where it has no areas.';

CREATE FUNCTION pgtandem.explain_difference(
    p_in_source boolean,
    p_in_target boolean,
    p_columns   text[],
    p_source    jsonb,
    p_target    jsonb
) RETURNS TABLE (kind text, column_name text, source_value text, target_value text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'missing', NULL, left(p_source::text, 1000), NULL
    WHERE p_in_source AND NOT p_in_target
    UNION ALL
    SELECT 'extra', NULL, NULL, left(p_target::text, 1000)
    WHERE NOT p_in_source AND p_in_target
    UNION ALL
    SELECT 'changed', c, left(p_source ->> c, 1000), left(p_target ->> c, 1000)
    FROM unnest(p_columns) AS c
    WHERE p_in_source AND p_in_target;
$$;
COMMENT ON FUNCTION pgtandem.explain_difference(boolean, boolean, text[], jsonb, jsonb) IS
    'Turns a row of pgtandem_<mapping>.compared into rows as they stand in pgtandem.difference.';

CREATE FUNCTION pgtandem.reads_of(p_table regclass) RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    -- An update by key scans an index once, a delete once more for our trigger.
    SELECT coalesce(sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)
                        - n_tup_upd - 2 * n_tup_del), 0)
    FROM pg_stat_all_tables
    WHERE relid = p_table OR relid IN (SELECT t.relid FROM pg_partition_tree(p_table) AS t);
$$;
COMMENT ON FUNCTION pgtandem.reads_of(regclass) IS
    'Scans of a table that no update or delete by key explains, from pg_stat_all_tables: only its '
    'growth means something, and a few scans more or less do not.';

CREATE FUNCTION pgtandem.save_comparison(
    p_mapping     text,
    p_hash        text,
    p_scope       text,
    p_started_at  timestamptz,
    p_snapshot    text,
    p_source_rows bigint,
    p_target_rows bigint,
    p_missing     bigint,
    p_extra       bigint,
    p_changed     bigint
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO pgtandem.comparison
        (mapping, hash, scope, started_at, snapshot, source_rows, target_rows, missing, extra,
         changed, source_reads)
    VALUES (p_mapping, p_hash, p_scope, p_started_at, p_snapshot, p_source_rows, p_target_rows,
            p_missing, p_extra, p_changed,
            pgtandem.reads_of((pgtandem.mapping_of(p_mapping)).source))
    RETURNING id INTO v_id;
    PERFORM pgtandem.log_event(p_mapping, 'comparison', jsonb_build_object(
        'comparison', v_id, 'scope', p_scope, 'source_rows', p_source_rows,
        'target_rows', p_target_rows, 'differences', p_missing + p_extra + p_changed));
    RETURN v_id;
END;
$$;
COMMENT ON FUNCTION pgtandem.save_comparison(text, text, text, timestamptz, text, bigint, bigint,
                                             bigint, bigint, bigint) IS
    'Stores the figures of a comparison, and returns its number.';

CREATE FUNCTION pgtandem.key_cuts(p_mapping text, p_parts integer) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_pages   numeric := (SELECT sum(greatest(c.relpages, 1))
                          FROM pgtandem._leaves(v_mapping.target) AS l
                          JOIN pg_class AS c ON c.oid = l);
    v_cuts    text[];
BEGIN
    -- Two collations may order the keys of the two sides differently.
    IF p_parts < 2
       OR (SELECT count(DISTINCT attcollation) > 1 FROM pg_attribute
           WHERE attname = v_mapping.key[1]
             AND attrelid IN (v_mapping.target,
                              format('%I.image', 'pgtandem_' || p_mapping)::regclass)) THEN
        RETURN ARRAY[]::text[];
    END IF;
    -- A sample of about 300 pages, or all of a small table.
    EXECUTE format(
        'SELECT array_agg(q.c::text ORDER BY q.c) FROM (SELECT DISTINCT unnest(percentile_disc($1) '
        'WITHIN GROUP (ORDER BY %1$I)) AS c FROM %2$s TABLESAMPLE SYSTEM (%3$s)) AS q '
        'WHERE q.c IS NOT NULL',
        v_mapping.key[1], v_mapping.target, least(100, 100 * 300 / v_pages))
    INTO v_cuts
    USING ARRAY(SELECT g::double precision / p_parts FROM generate_series(1, p_parts - 1) AS g);
    RETURN coalesce(v_cuts, '{}');
END;
$$;
COMMENT ON FUNCTION pgtandem.key_cuts(text, integer) IS
    'Values of the first key column, as text and in order, that cut the target into p_parts about '
    'equal ranges; fewer where the table is small. Estimated from a sample: any cuts in order '
    'give an exact comparison.';

CREATE FUNCTION pgtandem.require_unique_image(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_columns text := (SELECT string_agg(quote_ident(k), ', ' ORDER BY n)
                       FROM unnest(v_mapping.key) WITH ORDINALITY AS u (k, n));
    v_plan    json;
    v_twice   bigint;
    v_example text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- v_columns holds quoted names.
    -- The planner leaves the join out where a unique index proves that it cannot multiply rows.
    EXECUTE format('EXPLAIN (FORMAT JSON, COSTS OFF) SELECT FROM %s AS t LEFT JOIN %I.image AS i '
                   'USING (%s)', v_mapping.target, 'pgtandem_' || p_mapping, v_columns)
    INTO v_plan;
    IF position('"Join Type"' IN v_plan::text) = 0 THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT count(*) AS keys, min(q.k::text) AS example FROM ('
                   'SELECT jsonb_build_array(%s) AS k FROM %I.image GROUP BY %1$s '
                   'HAVING count(*) > 1) AS q', v_columns, 'pgtandem_' || p_mapping)
    INTO v_twice, v_example;
    IF v_twice > 0 THEN
        RAISE EXCEPTION 'the source % has % keys more than once', v_mapping.source, v_twice
            USING ERRCODE = 'TD025',
                  DETAIL = format('For example %s. The target can hold one row of a key.',
                                  v_example),
                  HINT = 'Mend the rows, or choose a key for the mapping that is unique.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_unique_image(text) IS
    'Raises TD025 where two rows of the image have one key, which a comparison by key would not '
    'see. Reads the rows only where no unique index of the source proves it.';

CREATE FUNCTION pgtandem.sample_keys(p_mapping text, p_keys integer) RETURNS SETOF jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_half    integer := (p_keys + 1) / 2;
    v_key     text := (SELECT string_agg(format('t.%I', k), ', ' ORDER BY n)
                       FROM unnest(v_mapping.key) WITH ORDINALITY AS u (k, n));
    v_pages   bigint := (SELECT sum(pg_relation_size(l)) / current_setting('block_size')::bigint
                         FROM pgtandem._leaves(v_mapping.target) AS l);
    v_percent numeric := 100;
    v_keys    jsonb[];
    v_more    jsonb[];
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- v_key holds quoted names.
    -- From blocks of the source that lie far apart, a few rows of each; all blocks if there are
    -- few.
    FOR v_try IN 1..5 LOOP
        EXECUTE format(
            'SELECT array_agg(q.k) FROM (SELECT DISTINCT c.k FROM ('
            'SELECT l.l, b.b FROM pgtandem._leaves($1) AS l (l), LATERAL generate_series(0, '
            'pg_relation_size(l.l) / current_setting(''block_size'')::bigint - 1) AS b (b) '
            'ORDER BY random() LIMIT $2) AS s, '
            'LATERAL (SELECT k FROM %I.chunk_keys(s.l, s.b, s.b + 1) AS k ORDER BY random() '
            'LIMIT $3) AS c (k) LIMIT $4) AS q', 'pgtandem_' || p_mapping)
        INTO v_keys
        USING v_mapping.source, (least(v_half, 64) * 4 ^ (v_try - 1))::bigint,
              (greatest(1, v_half / 32) * 4 ^ (v_try - 1))::bigint, v_half;
        EXIT WHEN cardinality(v_keys) >= v_half;
    END LOOP;
    RETURN QUERY SELECT unnest(v_keys);
    v_percent := least(100, 100.0 * 2 * p_keys / greatest(v_pages, 1));
    LOOP
        EXECUTE format(
            'SELECT array_agg(q.k) FROM (SELECT jsonb_build_array(%s) AS k '
            'FROM %s AS t TABLESAMPLE SYSTEM (%s)) AS q WHERE q.k NOT IN (SELECT unnest($1))',
            v_key, v_mapping.target, v_percent)
        INTO v_more
        USING v_keys;
        EXIT WHEN v_percent = 100
                  OR cardinality(v_more) >= p_keys - coalesce(cardinality(v_keys), 0);
        v_percent := least(100, v_percent * 4);
    END LOOP;
    RETURN QUERY SELECT k FROM unnest(v_more) AS k ORDER BY random()
                 LIMIT p_keys - coalesce(cardinality(v_keys), 0);
END;
$$;
COMMENT ON FUNCTION pgtandem.sample_keys(text, integer) IS
    'About p_keys keys, half of them from random blocks of the source, the rest from random '
    'blocks of the target. Needs the sync phase.';

CREATE FUNCTION pgtandem._compare(p_mapping text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_source  bigint;
    v_target  bigint;
    v_missing bigint;
    v_extra   bigint;
    v_changed bigint;
    v_id      bigint;
    v_counts  bigint[];
    -- What is equal ends at the first condition, so it costs next to nothing.
    v_areas   text := (SELECT string_agg(format(
                           'count(*) FILTER (WHERE changed AND columns && %L::text[])', a.columns),
                           ', ' ORDER BY a.place)
                       FROM pgtandem.areas_of(p_mapping) AS a);
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s was put together with %L.
    PERFORM pgtandem.require_unique_image(p_mapping);
    EXECUTE format(
        'SELECT count(*) FILTER (WHERE in_source), count(*) FILTER (WHERE in_target), '
        'count(*) FILTER (WHERE NOT in_target), count(*) FILTER (WHERE NOT in_source), '
        'count(*) FILTER (WHERE changed), ARRAY[%s]::bigint[] FROM %I.compared()',
        v_areas, 'pgtandem_' || p_mapping)
    INTO v_source, v_target, v_missing, v_extra, v_changed, v_counts;
    v_id := pgtandem.save_comparison(
        p_mapping, v_mapping.hash, 'full', now(), pg_current_snapshot()::text,
        v_source, v_target, v_missing, v_extra, v_changed);
    INSERT INTO pgtandem.comparison_area
    SELECT v_id, a.place, a.area, a.columns, v_counts[a.place]
    FROM pgtandem.areas_of(p_mapping) AS a;
    IF v_missing + v_extra + v_changed > 0 THEN
        EXECUTE format(
            'INSERT INTO pgtandem.difference (comparison, key, kind, area, column_name, '
            'source_value, target_value) '
            'SELECT $1, c.key, e.kind, a.area, e.column_name, e.source_value, e.target_value '
            'FROM (SELECT * FROM %I.compared() '
            'WHERE changed OR NOT in_source OR NOT in_target LIMIT 10000) AS c '
            'CROSS JOIN pgtandem.explain_difference(c.in_source, c.in_target, c.columns, '
            'c.source, c.target) AS e '
            'LEFT JOIN pgtandem.areas_of($2) AS a ON e.column_name = ANY (a.columns)',
            'pgtandem_' || p_mapping)
        USING v_id, p_mapping;
    END IF;
    RETURN v_id;
END;
$$;
COMMENT ON FUNCTION pgtandem._compare(text) IS
    'Compares every row on the snapshot of the calling transaction, which must be REPEATABLE READ, '
    'stores figures, also by areas, and the differences of at most 10,000 keys, and returns the '
    'number of the comparison.';

CREATE FUNCTION pgtandem._compare_report(p_id bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_comparison pgtandem.comparison;
    v_area       pgtandem.comparison_area;
BEGIN
    SELECT * INTO v_comparison FROM pgtandem.comparison WHERE id = p_id;
    RAISE INFO 'comparison % of %: % rows in the source, % in the target, % missing, % extra, '
        '% changed',
        p_id, v_comparison.mapping, v_comparison.source_rows, v_comparison.target_rows,
        v_comparison.missing, v_comparison.extra, v_comparison.changed
        USING HINT = format('SELECT * FROM pgtandem.difference WHERE comparison = %s;', p_id);
    FOR v_area IN SELECT * FROM pgtandem.comparison_area WHERE comparison = p_id ORDER BY place
    LOOP
        RAISE INFO '%: % rows differ', coalesce(v_area.area, 'other columns'), v_area.changed;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._compare_report(bigint) IS 'Says what a comparison found.';

-- No SET search_path: PostgreSQL refuses it for a procedure that commits. All names are qualified.
CREATE PROCEDURE pgtandem.compare(p_mapping text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_id bigint;
BEGIN
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
    v_id := pgtandem._compare(p_mapping);
    COMMIT;
    PERFORM pgtandem._compare_report(v_id);
END;
$$;
COMMENT ON PROCEDURE pgtandem.compare(text) IS
    'Compares every row of image and target on one snapshot, from psql alone, in one session. '
    'TD001.';

COMMIT;
