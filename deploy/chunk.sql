-- Deploy pgtandem:chunk to pg
-- requires: recheck
-- requires: lock_tables
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.chunk') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.chunk (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mapping     text NOT NULL REFERENCES pgtandem.mapping ON DELETE CASCADE,
    relation    regclass NOT NULL,
    filenode    oid NOT NULL,
    first_block bigint NOT NULL,
    last_block  bigint NOT NULL CHECK (last_block > first_block),
    done_at     timestamptz,
    rows        bigint,
    set_aside   integer,
    seconds     real,
    strategy    text,
    worker      integer
);
CREATE INDEX chunk_todo_idx ON pgtandem.chunk (mapping, id) WHERE done_at IS NULL;
CREATE INDEX chunk_mapping_idx ON pgtandem.chunk (mapping);

COMMENT ON TABLE pgtandem.chunk IS
    'Ranges of blocks of the source that one transaction copies; done is committed with the copy.';
COMMENT ON COLUMN pgtandem.chunk.id IS 'Order of claiming.';
COMMENT ON COLUMN pgtandem.chunk.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.chunk.relation IS 'The source, or the leaf partition of it.';
COMMENT ON COLUMN pgtandem.chunk.filenode IS
    'Its file when the list was made; another one now (VACUUM FULL, repack) restarts the list.';
COMMENT ON COLUMN pgtandem.chunk.first_block IS 'First block, counted from 0.';
COMMENT ON COLUMN pgtandem.chunk.last_block IS 'The block after the last one.';
COMMENT ON COLUMN pgtandem.chunk.done_at IS 'When it was copied; NULL: to do.';
COMMENT ON COLUMN pgtandem.chunk.rows IS 'Rows that the copy wrote.';
COMMENT ON COLUMN pgtandem.chunk.set_aside IS 'Rows that failed one by one and went to the queue.';
COMMENT ON COLUMN pgtandem.chunk.seconds IS 'Time the copy took, in seconds.';
COMMENT ON COLUMN pgtandem.chunk.strategy IS
    'insert, skip, ignore, overwrite or rows: see copy_chunk.';
COMMENT ON COLUMN pgtandem.chunk.worker IS 'Process id of the session that copied it.';

CREATE FUNCTION pgtandem._leaves(p_table regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p_table WHERE (SELECT relkind FROM pg_class WHERE oid = p_table) = 'r'
    UNION ALL
    SELECT relid FROM pg_partition_tree(p_table) WHERE isleaf AND relid <> p_table;
$$;
COMMENT ON FUNCTION pgtandem._leaves(regclass) IS
    'The tables that hold the rows of a table: itself, or the leaves of its partition tree.';

CREATE FUNCTION pgtandem._relations(p_table regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p_table UNION SELECT relid FROM pg_partition_tree(p_table);
$$;
COMMENT ON FUNCTION pgtandem._relations(regclass) IS
    'A table and all its partitions: where a lock or a trigger of it may be.';

CREATE FUNCTION pgtandem._list_chunks(p_mapping text, p_relation regclass) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM pgtandem.chunk WHERE mapping = p_mapping AND relation = p_relation;
    INSERT INTO pgtandem.chunk (mapping, relation, filenode, first_block, last_block)
    SELECT p_mapping, p_relation, pg_relation_filenode(p_relation), b, least(b + 512, n.blocks)
    FROM (SELECT greatest(1, pg_relation_size(p_relation)
                             / current_setting('block_size')::bigint) AS blocks) AS n,
         generate_series(0, n.blocks - 1, 512) AS b
    ORDER BY b;
$$;
COMMENT ON FUNCTION pgtandem._list_chunks(text, regclass) IS
    'Lists a table anew in chunks of 512 blocks. Rows beyond its present end belong to the '
    'triggers.';

CREATE FUNCTION pgtandem._list_new_leaves(p_mapping text) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_relation regclass;
    v_count    integer := 0;
BEGIN
    -- Another worker may be listing many leaves.
    PERFORM set_config('lock_timeout', '30s', true);
    PERFORM pg_advisory_xact_lock(hashtextextended('pgtandem list ' || p_mapping, 0));
    FOR v_relation IN
        SELECT l FROM pgtandem._leaves((pgtandem.mapping_of(p_mapping)).source) AS l
        WHERE NOT EXISTS (SELECT FROM pgtandem.chunk AS c
                          WHERE c.mapping = p_mapping AND c.relation = l)
    LOOP
        PERFORM pgtandem.lock_tables(ARRAY[v_relation], 'ACCESS SHARE', 5);
        PERFORM pgtandem._list_chunks(p_mapping, v_relation);
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END;
$$;
COMMENT ON FUNCTION pgtandem._list_new_leaves(text) IS
    'Lists the chunks of every leaf that has none yet, and returns the number of those leaves. '
    'TD004 where one stays locked.';

CREATE FUNCTION pgtandem._changed_leaves(p_mapping text) RETURNS TABLE (leaf text, gone boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(x.is_now, x.was)::text, x.is_now IS NULL
    FROM pgtandem.mapping AS m
    JOIN pg_class AS s ON s.oid = m.source AND s.relkind = 'p'
    CROSS JOIN LATERAL (
        SELECT l.is_now, c.was
        FROM (SELECT pgtandem._leaves(m.source) AS is_now) AS l
        FULL JOIN (SELECT DISTINCT relation AS was FROM pgtandem.chunk
                   WHERE mapping = p_mapping) AS c ON c.was::oid = l.is_now::oid
    ) AS x
    WHERE m.name = p_mapping AND m.copy_state = 'complete' AND (x.is_now IS NULL OR x.was IS NULL);
$$;
COMMENT ON FUNCTION pgtandem._changed_leaves(text) IS
    'The partitions that the source of a mapping has got or lost (gone) since its copy is '
    'complete: their rows may have come and gone without a row trigger.';

CREATE FUNCTION pgtandem._switch_moved(p_mapping text, p_on boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_source  regclass := (pgtandem.mapping_of(p_mapping)).source;
    v_trigger name := (
        SELECT t.tgname FROM pg_trigger AS t
        WHERE t.tgrelid = v_source AND t.tgnargs = 1
          AND t.tgfoid = to_regproc(format('pgtandem_%s.sync_forward', p_mapping))
          AND (t.tgenabled = 'D') = p_on);
BEGIN
    IF v_trigger IS NOT NULL THEN
        PERFORM pgtandem.lock_tables(ARRAY[v_source], 'SHARE ROW EXCLUSIVE', 5);
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', v_source,
                       CASE WHEN p_on THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END, v_trigger);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._switch_moved(text, boolean) IS
    'Switches the trigger for rows that move behind the chunks, which only an open copy needs. '
    'TD004.';

CREATE FUNCTION pgtandem._watch_truncate(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_new record;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The statement is that of the parent, as PostgreSQL writes it.
    FOR v_new IN
        SELECT t.tgname, r AS relation,
               replace(pg_get_triggerdef(t.oid), format(' ON %s FOR ', t.tgrelid::regclass),
                       format(' ON %s FOR ', r)) AS definition
        FROM pgtandem.mapping AS m
        JOIN pg_trigger AS t ON t.tgrelid IN (m.source, m.target)
        JOIN pg_proc AS p ON p.oid = t.tgfoid
         AND p.proname IN ('truncate_source', 'truncate_target')
        CROSS JOIN LATERAL pgtandem._relations(t.tgrelid) AS r
        WHERE m.name = p_mapping
          AND p.pronamespace = to_regnamespace(format('pgtandem_%s', p_mapping))
          AND NOT EXISTS (SELECT FROM pg_trigger AS o
                          WHERE o.tgrelid = r AND o.tgfoid = t.tgfoid)
    LOOP
        EXECUTE v_new.definition;
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_new.relation, v_new.tgname);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._watch_truncate(text) IS
    'Gives partitions that have come since the sync the trigger of their parent for TRUNCATE.';

CREATE FUNCTION pgtandem._reopen_copy(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_changed text;
    v_gone    boolean;
BEGIN
    PERFORM pgtandem.lock_tables(ARRAY[v_mapping.source, v_mapping.target], 'SHARE ROW EXCLUSIVE');
    SELECT string_agg(leaf, ', '), bool_or(gone) INTO v_changed, v_gone
    FROM pgtandem._changed_leaves(p_mapping);
    IF v_changed IS NULL THEN
        RETURN;  -- another worker was here
    END IF;
    DELETE FROM pgtandem.chunk
    WHERE mapping = p_mapping
      AND relation NOT IN (SELECT pgtandem._leaves(v_mapping.source));
    UPDATE pgtandem.mapping
    SET copy_state = 'open', copy_strategy = 'overwrite', copy_changed = clock_timestamp(),
        sweep = CASE WHEN v_gone THEN 'ask' ELSE 'none' END
    WHERE name = p_mapping;
    PERFORM pgtandem._switch_moved(p_mapping, true);
    PERFORM pgtandem._watch_truncate(p_mapping);
    PERFORM pgtandem.log_event(p_mapping, 'copy', jsonb_build_object(
        'state', 'open', 'strategy', 'overwrite', 'partitions', v_changed));
END;
$$;
COMMENT ON FUNCTION pgtandem._reopen_copy(text) IS
    'Opens a complete copy for the partitions that have come or gone since; what is copied stays '
    'copied. Locks both tables SHARE ROW EXCLUSIVE until commit.';

CREATE FUNCTION pgtandem.open_copy(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping  pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_has_rows boolean;
    v_lives    boolean;
BEGIN
    -- A writer that read "complete" and is still at work would not queue what it takes away.
    PERFORM pgtandem.lock_tables(ARRAY[v_mapping.source, v_mapping.target], 'SHARE ROW EXCLUSIVE');
    -- A table that is its own target has its rows, and none too many. So has the target of a merge,
    -- where rows of the application's may come at any moment.
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', v_mapping.target) INTO v_has_rows;
    v_lives := v_mapping.source = v_mapping.target OR v_mapping.settings ? 'merge';
    v_has_rows := v_has_rows OR v_lives;
    -- Also the rest of a chunk that a worker cut while we waited for it.
    LOOP
        DELETE FROM pgtandem.chunk WHERE mapping = p_mapping;
        EXIT WHEN NOT FOUND;
    END LOOP;
    UPDATE pgtandem.mapping
    SET copy_state = 'open',
        copy_strategy = CASE WHEN v_has_rows THEN 'overwrite' ELSE 'insert' END,
        sweep = CASE WHEN NOT v_has_rows OR v_lives THEN 'none'
                     WHEN v_mapping.phase = 'expand' THEN 'ask'
                     ELSE 'remove' END,
        copy_changed = clock_timestamp()
    WHERE name = p_mapping;
    PERFORM pgtandem.log_event(p_mapping, 'copy', jsonb_build_object(
        'state', 'open', 'strategy', CASE WHEN v_has_rows THEN 'overwrite' ELSE 'insert' END));
END;
$$;
COMMENT ON FUNCTION pgtandem.open_copy(text) IS
    'Opens the copy, or opens it again from the first block. Rows that the target has already may '
    'be an older image, and are then overwritten. Locks both tables SHARE ROW EXCLUSIVE until '
    'commit.';

CREATE FUNCTION pgtandem.close_sync(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The source holds everything, so nothing that is still queued is lost with the queue.
    DELETE FROM pgtandem.chunk WHERE mapping = p_mapping;
    DELETE FROM pgtandem.recheck WHERE mapping = p_mapping;
    UPDATE pgtandem.mapping
    SET copy_state = 'none', copy_changed = clock_timestamp()
    WHERE name = p_mapping;
END;
$$;
COMMENT ON FUNCTION pgtandem.close_sync(text) IS
    'Forgets chunks and queue of a mapping whose triggers are being dropped.';

COMMIT;
