-- Deploy pgtandem:measure to pg
-- requires: fit
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.measure(text, integer, integer)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._count_rows(
    p_table   regclass,
    p_blocks  integer DEFAULT 2000,
    OUT rows  numeric,
    OUT error numeric
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_leaf   regclass;
    v_blocks bigint;
    v_total  bigint := (SELECT sum(pg_relation_size(l)) / current_setting('block_size')::bigint
                        FROM pgtandem._leaves(p_table) AS l);
    v_looked integer;
    v_mean   numeric;
    v_spread numeric;
BEGIN
    rows := 0;
    error := 0;
    FOR v_leaf IN SELECT pgtandem._leaves(p_table) LOOP
        v_blocks := pg_relation_size(v_leaf) / current_setting('block_size')::bigint;
        CONTINUE WHEN v_blocks = 0;
        v_looked := ceil(least(v_blocks, greatest(30, p_blocks * v_blocks::numeric / v_total)));
        EXECUTE format('SELECT avg(c.rows) AS mean, coalesce(stddev(c.rows), 0) AS spread FROM '
                       '(SELECT DISTINCT floor(random() * $1)::bigint AS b '
                       ' FROM generate_series(1, $2) WHERE $1 > $2 '
                       ' UNION ALL SELECT generate_series(0, $1 - 1) WHERE $1 <= $2) AS r '
                       'CROSS JOIN LATERAL (SELECT count(*) AS rows FROM ONLY %s '
                       ' WHERE ctid >= format(''(%%s,0)'', r.b)::tid '
                       ' AND ctid < format(''(%%s,0)'', r.b + 1)::tid) AS c', v_leaf)
        INTO v_mean, v_spread USING v_blocks, v_looked;
        rows := rows + v_mean * v_blocks;
        error := error + (1.96 * v_spread * v_blocks) ^ 2 / v_looked
                         * (1 - v_looked::numeric / v_blocks)
                 -- And the last block, which may be nearly empty.
                 + CASE WHEN v_looked < v_blocks THEN v_mean ^ 2 ELSE 0 END;
    END LOOP;
    rows := round(rows);
    error := ceil(sqrt(error));
END;
$$;
COMMENT ON FUNCTION pgtandem._count_rows(regclass, integer) IS
    'How many rows a table has by about p_blocks random blocks, and the 95 % error of that: the '
    'rows of a block vary, and 1.96 standard errors of their mean. Exact, error 0, where it has '
    'no more blocks.';

CREATE FUNCTION pgtandem.sample_images(p_mapping text, p_rows integer)
RETURNS TABLE (place text, key jsonb, category text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_schema  text := 'pgtandem_' || p_mapping;
    v_view    text := CASE WHEN to_regclass(v_schema || '.categories') IS NOT NULL THEN 'categories'
                           WHEN to_regclass(v_schema || '.image_of_key') IS NOT NULL
                           THEN 'image_of_key' ELSE 'image' END;
    v_image   text := CASE v_view WHEN 'categories' THEN 'i.key, i.category'
                      ELSE (SELECT format('jsonb_build_array(%s) AS key, NULL::text AS category',
                                          string_agg(format('i.%I', k), ', ' ORDER BY n))
                            FROM unnest(v_mapping.key) WITH ORDINALITY AS u (k, n)) END;
    v_batch   record;
BEGIN
    -- @plpgsql_check_options: security_warnings = off, extra_warnings = off
    -- The view is our own, as PostgreSQL writes it.
    FOR v_batch IN SELECT * FROM pgtandem._fit_rows(p_mapping, p_rows) AS r
                   WHERE r.rows IS NOT NULL LOOP
        RETURN QUERY EXECUTE format(
            'SELECT format(''%%s %%s'', $1, u.r), i.key, i.category FROM unnest($2) AS u (r) '
            'LEFT JOIN (SELECT i."pgtandem:row", %s FROM %s) AS i ON i."pgtandem:row" = u.r',
            v_image, pgtandem._image_rows(p_mapping, v_view))
        USING v_batch.leaf::oid, v_batch.rows;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem.sample_images(text, integer) IS
    'About p_rows random rows of the source, each with its place, and the key and category of each '
    'of its images; NULL where it has none. All rows where that is most of them. TD001.';

CREATE FUNCTION pgtandem.sample_target(p_mapping text, p_rows integer) RETURNS SETOF jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_rows    numeric := (SELECT c.rows FROM pgtandem._count_rows(v_mapping.target) AS c);
    v_size    numeric := (SELECT sum(pg_relation_size(l)) / current_setting('block_size')::integer
                          FROM pgtandem._leaves(v_mapping.target) AS l);
    v_wanted  numeric := least(1, p_rows / greatest(1, v_rows));
    -- A row or so of each block, as sample_images takes them.
    v_blocks  numeric := least(1, greatest(v_wanted, 2 * p_rows / greatest(1, v_size)));
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    RETURN QUERY EXECUTE format(
        'SELECT jsonb_build_array(%s) FROM %s AS t TABLESAMPLE SYSTEM (%s) WHERE random() < %s',
        (SELECT string_agg(format('t.%I', k), ', ' ORDER BY n)
         FROM unnest(v_mapping.key) WITH ORDINALITY AS u (k, n)),
        v_mapping.target, 100 * v_blocks, v_wanted / v_blocks);
END;
$$;
COMMENT ON FUNCTION pgtandem.sample_target(text, integer) IS
    'The keys of about p_rows random rows of the target; of all where it has no more. TD001.';

CREATE FUNCTION pgtandem._measure_ranges(p_mapping text, p_chunks integer, p_blocks integer)
RETURNS TABLE (relation regclass, first_block bigint, last_block bigint)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    WITH listed AS (
        SELECT c.relation, c.first_block, c.last_block
        FROM pgtandem.chunk AS c WHERE c.mapping = p_mapping AND c.done_at IS NULL
        UNION ALL
        SELECT l, 0, pg_relation_size(l) / current_setting('block_size')::bigint
        FROM pgtandem.mapping AS m, pgtandem._leaves(m.source) AS l
        WHERE m.name = p_mapping AND m.copy_state <> 'complete'
          AND NOT EXISTS (SELECT FROM pgtandem.chunk AS c WHERE c.mapping = p_mapping)
    ), todo AS (
        SELECT l.*, sum(l.last_block - l.first_block) OVER (ORDER BY l.relation, l.first_block)
                    - (l.last_block - l.first_block) AS before
        FROM listed AS l WHERE l.last_block > l.first_block
    ), parts AS (
        -- As many equal parts of all that is to do; of each a piece at a random place.
        SELECT floor(n * t.blocks / p_chunks) AS low, floor((n + 1) * t.blocks / p_chunks) AS high
        FROM (SELECT sum(d.last_block - d.first_block) AS blocks FROM todo AS d) AS t,
             generate_series(0, p_chunks - 1) AS n
    ), pieces AS (
        SELECT p.low + floor(random() * (greatest(0, p.high - p.low - p_blocks) + 1)) AS at,
               least(p_blocks, p.high - p.low) AS blocks
        FROM parts AS p WHERE p.high > p.low
    )
    SELECT d.relation, (d.first_block + p.at - d.before)::bigint,
           least(d.last_block, d.first_block + p.at - d.before + p.blocks)::bigint
    FROM pieces AS p
    JOIN todo AS d ON p.at >= d.before AND p.at < d.before + d.last_block - d.first_block;
$$;
COMMENT ON FUNCTION pgtandem._measure_ranges(text, integer, integer) IS
    'p_chunks ranges of p_blocks blocks, spread at random over what a backfill has still to copy.';

CREATE FUNCTION pgtandem._measure_tables(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_schema  text := format('%I', 'pgtandem_' || p_mapping);
    v_column  record;
    v_default text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The default is that of the target, as PostgreSQL writes it.
    IF v_mapping.source <> v_mapping.target THEN
        EXECUTE format('CREATE TABLE %s.measured_source (LIKE %s)', v_schema, v_mapping.source);
    END IF;
    EXECUTE (
        SELECT format('CREATE %s TABLE %s.measured_target (LIKE %s INCLUDING CONSTRAINTS '
                      'INCLUDING INDEXES INCLUDING GENERATED INCLUDING STORAGE '
                      'INCLUDING COMPRESSION) WITH (fillfactor = %s)',
                      CASE t.relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE '' END, v_schema,
                      v_mapping.target,
                      coalesce((SELECT o.option_value FROM pg_options_to_table(t.reloptions) AS o
                                WHERE o.option_name = 'fillfactor'), '100'))
        FROM pg_class AS t WHERE t.oid = v_mapping.target);
    CREATE TEMPORARY SEQUENCE pgtandem_measure;
    FOR v_column IN SELECT c.*, a.attidentity <> '' OR a.atthasdef AS is_made
                    FROM pgtandem._fit_columns(p_mapping) AS c
                    JOIN pg_attribute AS a ON a.attrelid = v_mapping.target AND a.attname = c.name
                    WHERE NOT c.mapped LOOP
        -- The target's sequence would lose numbers, and a function of somebody's may do anything.
        v_default := coalesce(v_column.filled, CASE
            WHEN v_column.is_made AND v_column.type IN ('smallint', 'integer', 'bigint', 'numeric')
            THEN 'nextval(''pg_temp.pgtandem_measure'')' END);
        EXECUTE format('ALTER TABLE %s.measured_target ALTER %I %s', v_schema, v_column.name,
                       CASE WHEN v_default IS NULL THEN 'DROP NOT NULL'
                            ELSE 'SET DEFAULT ' || v_default END);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._measure_tables(text) IS
    'The scratch tables of measure, in the schema of the mapping: one for rows of the source, one '
    'like the target with its indexes.';

CREATE FUNCTION pgtandem._measure_fill(p_mapping text, p_relation regclass, p_low tid, p_high tid)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_schema  text := format('%I', 'pgtandem_' || p_mapping);
    v_columns text;
    v_view    text := CASE WHEN to_regclass(v_schema || '.image_of_key') IS NOT NULL
                           THEN 'image_of_key' ELSE 'image' END;
    v_rows    bigint := 0;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s are lists of quoted names.
    SELECT string_agg(format('%I', a.attname), ', ') INTO v_columns
    FROM pg_attribute AS a
    WHERE a.attrelid = p_relation AND a.attnum > 0 AND NOT a.attisdropped
      AND (a.attgenerated = '' OR v_mapping.source <> v_mapping.target);
    EXECUTE format('INSERT INTO %s.%I (%s) SELECT %3$s FROM ONLY %4$s '
                   'WHERE ctid >= $1 AND ctid < $2', v_schema,
                   CASE WHEN v_mapping.source = v_mapping.target THEN 'measured_target'
                        ELSE 'measured_source' END, v_columns, p_relation)
    USING p_low, p_high;
    IF v_mapping.source <> v_mapping.target THEN
        SELECT string_agg(format('%I', a.attname), ', ') INTO v_columns
        FROM pg_attribute AS a
        WHERE a.attrelid = v_mapping.target AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attgenerated = '';
        EXECUTE format('INSERT INTO %s.measured_target (%s) SELECT %2$s FROM %3$s AS t '
                       'WHERE (%4$s) IN (SELECT %5$s FROM %6$s)', v_schema, v_columns,
                       v_mapping.target,
                       (SELECT string_agg(format('t.%I', k), ', ' ORDER BY n)
                        FROM unnest(v_mapping.key) WITH ORDINALITY AS u (k, n)),
                       (SELECT string_agg(format('i.%I', k), ', ' ORDER BY n)
                        FROM unnest(v_mapping.key) WITH ORDINALITY AS u (k, n)),
                       replace(pgtandem._image_rows(p_mapping, v_view), '= ANY ($2)',
                               '>= $2 AND i."pgtandem:row" < $3'))
        USING p_relation::oid, p_low, p_high;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
    END IF;
    RETURN CASE WHEN v_mapping.copy_strategy = 'overwrite' OR v_mapping.source = v_mapping.target
                     OR v_mapping.copy_state = 'none' AND v_rows > 0 THEN 'overwrite'
                WHEN v_rows > 0 THEN 'skip'
                ELSE 'insert' END;
END;
$$;
COMMENT ON FUNCTION pgtandem._measure_fill(text, regclass, tid, tid) IS
    'Fills the scratch tables with the rows of a range of the source, and with what the target has '
    'of them; returns the strategy with which a chunk of them would be copied.';

CREATE FUNCTION pgtandem._measure_undo(p_mapping text, p_rows bigint, p_updated bigint)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table text := format('%I.measured_pre_image', 'pgtandem_' || p_mapping);
    v_size  bigint;
    v_found jsonb;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    IF to_regclass(v_table) IS NULL THEN
        EXECUTE format('CREATE TABLE %1$s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key '
                       'jsonb, layout integer, b xid, a xid, c tid, d tid, before text, after '
                       'bytea); CREATE INDEX ON %1$s USING hash (key)', v_table);
    END IF;
    v_size := pg_total_relation_size(v_table);
    EXECUTE format('EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) INSERT INTO %s '
                   '(key, layout, b, a, c, d, before, after) SELECT jsonb_build_array(%s), 1, '
                   'xmin, xmin, ctid, ctid, CASE WHEN row_number() OVER () <= %s THEN t::text END, '
                   'sha256(convert_to(t::text, ''UTF8'')) FROM %I.measured_target AS t LIMIT %s',
                   v_table, (SELECT string_agg(format('t.%I', k), ', ')
                             FROM unnest((pgtandem.mapping_of(p_mapping)).key) AS k),
                   p_updated, 'pgtandem_' || p_mapping, p_rows)
    INTO v_found;
    RETURN jsonb_build_object('seconds', (v_found -> 0 ->> 'Execution Time')::float8 / 1000,
                              'wal_bytes', v_found #> '{0,Plan,WAL Bytes}',
                              'undo_bytes', pg_total_relation_size(v_table) - v_size);
END;
$$;
COMMENT ON FUNCTION pgtandem._measure_undo(text, bigint, bigint) IS
    'What it takes to store the pre-images of so many rows, of which so many were there before: '
    'seconds, wal_bytes, undo_bytes.';

CREATE FUNCTION pgtandem.measure(
    p_mapping text,
    p_chunks  integer DEFAULT 8,
    p_blocks  integer DEFAULT 32
) RETURNS TABLE (blocks bigint, rows bigint, seconds double precision, wal_bytes bigint,
                 table_bytes bigint, index_bytes bigint, undo_bytes bigint, strategy text,
                 failure text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $$
DECLARE
    v_in_place boolean := (SELECT m.source = m.target FROM pgtandem.mapping_of(p_mapping) AS m);
    v_stored   boolean := coalesce(((pgtandem.mapping_of(p_mapping)).settings
                                    #> '{backfill,undo}')::boolean, false);
    v_schema   text := format('%I', 'pgtandem_' || p_mapping);
    v_target   regclass;
    v_range    record;
    v_first    bigint;
    v_reading  jsonb;
    v_writing  jsonb;
    v_undo     jsonb;
    v_updated  bigint;
    v_is_done  boolean := false;
    v_failure  text;
    v_state    text;
    v_found    jsonb[] := ARRAY[]::jsonb[];
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    IF to_regproc(v_schema || '.measure_chunk') IS NULL THEN
        RAISE EXCEPTION 'the copy of mapping "%" cannot be measured', p_mapping
            USING ERRCODE = 'TD065',
                  DETAIL = 'It was rendered by a pgtandem that could not.',
                  HINT = 'Render and deploy its expand change again.';
    END IF;
    BEGIN
        PERFORM pgtandem._measure_tables(p_mapping);
        v_target := to_regclass(v_schema || '.measured_target');
        FOR v_range IN SELECT r.*, format('(%s,0)', r.first_block)::tid AS low,
                              format('(%s,0)', r.last_block)::tid AS high
                       FROM pgtandem._measure_ranges(p_mapping, p_chunks, p_blocks) AS r LOOP
            BEGIN
                -- From the disk, where it is not in memory yet; the scratch table will be.
                EXECUTE format('EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT FROM ONLY %s '
                               'WHERE ctid >= $1 AND ctid < $2', v_range.relation)
                INTO v_reading USING v_range.low, v_range.high;
                IF NOT v_in_place THEN
                    EXECUTE format('TRUNCATE %s.measured_source', v_schema);
                END IF;
                v_first := CASE WHEN v_in_place THEN greatest(0, pg_relation_size(v_target)
                               / current_setting('block_size')::bigint - 1) ELSE 0 END;
                strategy := pgtandem._measure_fill(p_mapping, v_range.relation, v_range.low,
                                                   v_range.high);
                table_bytes := pg_table_size(v_target);
                index_bytes := pg_indexes_size(v_target);
                v_updated := pg_stat_get_xact_tuples_updated(v_target);
                rows := pg_stat_get_xact_tuples_inserted(v_target) + v_updated;
                EXECUTE format('EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) '
                               'SELECT %s.measure_chunk(%L::regclass, %s, 4294967295, %L)',
                               v_schema,
                               CASE WHEN v_in_place THEN v_target
                                    ELSE to_regclass(v_schema || '.measured_source') END,
                               v_first, strategy)
                INTO v_writing;
                v_updated := pg_stat_get_xact_tuples_updated(v_target) - v_updated;
                rows := pg_stat_get_xact_tuples_inserted(v_target)
                        + pg_stat_get_xact_tuples_updated(v_target) - rows;
                table_bytes := pg_table_size(v_target) - table_bytes;
                index_bytes := pg_indexes_size(v_target) - index_bytes;
                v_undo := CASE WHEN v_stored THEN pgtandem._measure_undo(p_mapping, rows, v_updated)
                               END;
                v_found := v_found || jsonb_build_object(
                    'blocks', v_range.last_block - v_range.first_block,
                    'rows', rows,
                    'seconds', ((v_reading -> 0 ->> 'Execution Time')::double precision
                                + (v_writing -> 0 ->> 'Execution Time')::double precision) / 1000
                               + coalesce((v_undo ->> 'seconds')::double precision, 0),
                    'wal_bytes', CASE WHEN current_setting('wal_level') <> 'minimal'
                                      THEN (v_writing #>> '{0,Plan,WAL Bytes}')::bigint
                                           + coalesce((v_undo ->> 'wal_bytes')::bigint, 0) END,
                    'table_bytes', table_bytes, 'index_bytes', index_bytes,
                    'undo_bytes', coalesce(v_undo -> 'undo_bytes', '0'), 'strategy', strategy);
            EXCEPTION
                WHEN OTHERS THEN
                    GET STACKED DIAGNOSTICS v_failure = MESSAGE_TEXT, v_state = RETURNED_SQLSTATE;
                    v_failure := format('%s: %s', v_state, v_failure);
                    v_found := v_found || jsonb_build_object(
                        'blocks', v_range.last_block - v_range.first_block, 'failure', v_failure);
            END;
        END LOOP;
        v_is_done := true;
        RAISE EXCEPTION 'undone';
    EXCEPTION
        WHEN raise_exception THEN
            IF NOT v_is_done THEN
                RAISE;
            END IF;
    END;
    IF v_failure IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(v_found) AS f
                                             WHERE (f ->> 'rows')::bigint > 0) THEN
        RAISE EXCEPTION 'the copy of mapping "%" cannot be measured', p_mapping
            USING ERRCODE = 'TD065',
                  DETAIL = v_failure,
                  HINT = 'A backfill would set such rows aside: see pgtandem preflight.';
    END IF;
    RETURN QUERY SELECT x.* FROM unnest(v_found) AS f,
         jsonb_to_record(f) AS x (blocks bigint, rows bigint, seconds double precision,
                                  wal_bytes bigint, table_bytes bigint, index_bytes bigint,
                                  undo_bytes bigint, strategy text, failure text);
END;
$$;
COMMENT ON FUNCTION pgtandem.measure(text, integer, integer) IS
    'Copies p_chunks ranges of p_blocks blocks, chosen at random among what a backfill has still '
    'to copy, into scratch tables like the target, and undoes it: blocks, rows written, seconds, '
    'WAL (NULL: wal_level is minimal) and growth of each; undo_bytes: of the pre-images. Writes as '
    'much WAL as it says, and twice that for the scratch tables; nothing else stays. failure: why '
    'a range could not be copied. TD001, TD065 where none could.';

COMMIT;
