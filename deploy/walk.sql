-- Deploy pgtandem:walk to pg
-- requires: contract
-- requires: chunk
-- requires: worker
-- requires: throttle
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.walk') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.walk (
    mapping    text NOT NULL REFERENCES pgtandem.mapping ON DELETE CASCADE,
    purpose    text NOT NULL CHECK (purpose IN ('archive', 'restore')),
    relation   regclass NOT NULL,
    filenode   oid NOT NULL,
    next_block bigint NOT NULL DEFAULT 0,
    last_block bigint NOT NULL,
    rows       bigint NOT NULL DEFAULT 0,
    hash       text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz,
    PRIMARY KEY (mapping, purpose, relation)
);
COMMENT ON TABLE pgtandem.walk IS
    'How far contract has come with archiving the columns that leave, or its revert with putting '
    'them back. The position is committed with the rows.';
COMMENT ON COLUMN pgtandem.walk.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.walk.purpose IS 'archive: source to archive. restore: the way back.';
COMMENT ON COLUMN pgtandem.walk.relation IS 'The source, or a leaf partition of it.';
COMMENT ON COLUMN pgtandem.walk.filenode IS
    'Its file at the start; another one now (VACUUM FULL, repack) starts it again.';
COMMENT ON COLUMN pgtandem.walk.next_block IS 'The first block still to do, counted from 0.';
COMMENT ON COLUMN pgtandem.walk.last_block IS 'The block after the last one at the start.';
COMMENT ON COLUMN pgtandem.walk.rows IS 'Rows written so far.';
COMMENT ON COLUMN pgtandem.walk.hash IS 'Of the mapping that it was begun with.';
COMMENT ON COLUMN pgtandem.walk.started_at IS 'When it began.';
COMMENT ON COLUMN pgtandem.walk.ended_at IS 'When the last block was done; NULL: it is not.';

CREATE FUNCTION pgtandem.begin_walk(p_mapping text, p_purpose text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO pgtandem.walk (mapping, purpose, relation, filenode, last_block, hash)
    SELECT m.name, p_purpose, l, pg_relation_filenode(l),
           pg_relation_size(l) / current_setting('block_size')::bigint, m.hash
    FROM pgtandem.mapping_of(p_mapping) AS m, pgtandem._leaves(m.source) AS l
    ON CONFLICT DO NOTHING;
$$;
COMMENT ON FUNCTION pgtandem.begin_walk(text, text) IS
    'Lists the source, or each leaf of it, that is not listed yet. Rows beyond its present end '
    'belong to the trigger, which must be there already.';

CREATE FUNCTION pgtandem.walk_is_begun(p_mapping text, p_purpose text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pgtandem.walk AS w
                   JOIN pgtandem.mapping AS m ON m.name = w.mapping AND m.hash = w.hash
                   WHERE w.mapping = p_mapping AND w.purpose = p_purpose);
$$;
COMMENT ON FUNCTION pgtandem.walk_is_begun(text, text) IS
    'Whether a walk has begun with the mapping as it is deployed now.';

CREATE FUNCTION pgtandem.require_walked(p_mapping text, p_purpose text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_rest text;
BEGIN
    PERFORM pgtandem.begin_walk(p_mapping, p_purpose);
    SELECT string_agg(format('%s, %s of %s blocks', w.relation, w.last_block - w.next_block,
                             w.last_block), '; ')
    INTO v_rest
    FROM pgtandem.walk AS w
    WHERE w.mapping = p_mapping AND w.purpose = p_purpose
      AND (w.ended_at IS NULL OR w.filenode <> pg_relation_filenode(w.relation));
    IF v_rest IS NOT NULL THEN
        RAISE EXCEPTION 'the % of mapping "%" is not complete', p_purpose, p_mapping
            USING ERRCODE = 'TD040', DETAIL = format('To do: %s.', v_rest),
                  HINT = format('CALL pgtandem.walk(%L, %L); then run the script again.',
                                p_mapping, p_purpose);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_walked(text, text) IS
    'Raises TD040 unless a walk has seen every block of the source.';

CREATE FUNCTION pgtandem._walk_chunk(p_walk pgtandem.walk, p_blocks bigint, OUT rows bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_marker text := pgtandem._mark(p_walk.mapping);
    v_last   bigint := least(p_walk.last_block, p_walk.next_block + p_blocks);
BEGIN
    -- Below deadlock_timeout: where an application holds a row, ours gives way.
    PERFORM set_config('lock_timeout', '100ms', true);
    PERFORM set_config('synchronous_commit', 'off', true);
    BEGIN
        EXECUTE format('SELECT %I.%I($1, $2, $3)', 'pgtandem_' || p_walk.mapping,
                       p_walk.purpose || '_chunk') INTO rows
        USING p_walk.relation, p_walk.next_block, v_last;
    EXCEPTION
        WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
            rows := NULL;
        WHEN OTHERS THEN
            -- A row that cannot be restored is told with its key, when the keys are carried back.
            IF p_walk.purpose = 'archive' THEN
                RAISE;
            END IF;
            rows := NULL;
    END;
    IF rows IS NULL AND p_blocks = 1 AND p_walk.purpose = 'restore' THEN
        EXECUTE format('SELECT %I.restore_chunk($1, $2, $3, false)', 'pgtandem_' || p_walk.mapping)
        INTO rows
        USING p_walk.relation, p_walk.next_block, v_last;
    END IF;
    PERFORM set_config(format('pgtandem_%s.depth', p_walk.mapping), v_marker, true);
END;
$$;
COMMENT ON FUNCTION pgtandem._walk_chunk(pgtandem.walk, bigint) IS
    'Archives or restores p_blocks blocks; NULL: somebody is in the way. The keys of a single '
    'block that cannot be restored are noted instead.';

CREATE FUNCTION pgtandem._walk_step(
    p_mapping    text,
    p_purpose    text,
    INOUT blocks bigint,
    OUT wait     double precision,
    OUT more     boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_walk    pgtandem.walk;
    v_target  double precision := extract(epoch FROM pgtandem._setting(
                     v_mapping.settings, 'backfill', 'chunk_time', '0.2s')::interval);
    v_start   timestamptz := clock_timestamp();
    v_seconds double precision := 0.001;
    v_wal     pg_lsn := pg_current_wal_insert_lsn();
    v_rows    bigint;
    v_reason  text;
BEGIN
    more := true;
    wait := 0;
    PERFORM pgtandem.begin_walk(p_mapping, p_purpose);
    SELECT * INTO v_walk FROM pgtandem.walk AS w
    WHERE w.mapping = p_mapping AND w.purpose = p_purpose
      AND (w.ended_at IS NULL OR w.filenode <> pg_relation_filenode(w.relation))
    ORDER BY w.relation LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        more := false;
        RETURN;
    ELSIF v_mapping.paused_by IS NULL THEN
        v_rows := pgtandem._walk_chunk(v_walk, blocks);
        v_seconds := extract(epoch FROM clock_timestamp() - v_start);
        IF v_rows IS NULL THEN
            blocks := greatest(1, blocks / 2);
            wait := 0.1;
            PERFORM pgtandem._worker_waits(format('a lock on %s', v_walk.relation));
            RETURN;
        ELSIF v_walk.filenode <> pg_relation_filenode(v_walk.relation) THEN
            -- Its rows have moved to other blocks: once more. We hold a lock on it until commit.
            DELETE FROM pgtandem.walk AS w
            WHERE w.mapping = p_mapping AND w.purpose = p_purpose AND w.relation = v_walk.relation;
            PERFORM pgtandem.begin_walk(p_mapping, p_purpose);
            RETURN;
        END IF;
        UPDATE pgtandem.walk AS w
        SET next_block = least(w.last_block, w.next_block + blocks),
            rows = w.rows + v_rows,
            ended_at = CASE WHEN w.next_block + blocks >= w.last_block THEN clock_timestamp() END
        WHERE w.mapping = p_mapping AND w.purpose = p_purpose AND w.relation = v_walk.relation;
        IF v_seconds > v_target THEN
            blocks := greatest(1, least(blocks / 2, (blocks * v_target / v_seconds)::bigint));
        ELSIF v_seconds < v_target / 2 THEN
            blocks := least(512, greatest(blocks + 1, blocks * 3 / 2));
        END IF;
    END IF;
    SELECT t.reason, t.seconds INTO v_reason, wait
    FROM pgtandem._throttle(v_mapping, v_seconds,
                            pg_wal_lsn_diff(pg_current_wal_insert_lsn(), v_wal)) AS t;
    PERFORM pgtandem._worker_waits(v_reason);
END;
$$;
COMMENT ON FUNCTION pgtandem._walk_step(text, text, bigint) IS
    'What a walk does in one transaction: a range of blocks, whose number it returns for the next; '
    'how long to wait; whether there is more.';

CREATE FUNCTION pgtandem._walk_start(p_mapping text, p_purpose text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_lock bigint := hashtextextended('pgtandem walk ' || p_mapping, 0);
BEGIN
    PERFORM pgtandem.mapping_of(p_mapping);
    IF NOT pgtandem.walk_is_begun(p_mapping, p_purpose) THEN
        RAISE EXCEPTION 'the % of mapping "%" has not begun', p_purpose, p_mapping
            USING ERRCODE = 'TD040', HINT = 'The deploy or revert of its contract begins it.';
    ELSIF NOT pg_try_advisory_lock(v_lock) THEN
        RAISE EXCEPTION 'the % of mapping "%" is already running', p_purpose, p_mapping
            USING ERRCODE = 'TD041',
                  DETAIL = (SELECT format('In pid %s.', string_agg(l.pid::text, ', '))
                            FROM pg_locks AS l
                            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                              AND l.pid <> pg_backend_pid()
                              AND (l.classid::bigint << 32) | l.objid::bigint = v_lock),
                  HINT = 'Wait for it, or end that session and run the script again.';
    END IF;
    PERFORM pgtandem._worker_start(p_mapping);
END;
$$;
COMMENT ON FUNCTION pgtandem._walk_start(text, text) IS
    'Makes the calling session the only one at it. TD040 not begun, TD041 already running.';

CREATE FUNCTION pgtandem._walk_end(p_mapping text, p_purpose text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pgtandem._worker_end();
    PERFORM pg_advisory_unlock(hashtextextended('pgtandem walk ' || p_mapping, 0));
    RAISE INFO '% of %: % rows in % blocks', p_purpose, p_mapping,
        (SELECT sum(w.rows) FROM pgtandem.walk AS w
         WHERE w.mapping = p_mapping AND w.purpose = p_purpose),
        (SELECT sum(w.last_block) FROM pgtandem.walk AS w
         WHERE w.mapping = p_mapping AND w.purpose = p_purpose);
END;
$$;
COMMENT ON FUNCTION pgtandem._walk_end(text, text) IS 'Lets others at it, and says what was done.';

CREATE FUNCTION pgtandem.archive_noted(p_mapping text, p_limit integer DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_keys  jsonb;
    v_taken bigint;
BEGIN
    -- What is written from here on notes the key again.
    WITH taken AS (
        DELETE FROM pgtandem.recheck
        WHERE id IN (SELECT id FROM pgtandem.recheck
                     WHERE mapping = p_mapping AND side = 'archive' ORDER BY id LIMIT p_limit)
        RETURNING key
    )
    SELECT jsonb_agg(DISTINCT key), count(*) INTO v_keys, v_taken FROM taken;
    IF v_taken > 0 THEN
        EXECUTE format('SELECT %I.archive_keys($1)', 'pgtandem_' || p_mapping) USING v_keys;
    END IF;
    RETURN v_taken;
END;
$$;
COMMENT ON FUNCTION pgtandem.archive_noted(text, integer) IS
    'Archives again up to p_limit rows (NULL: all) that were written since the walk began, and '
    'returns how many entries it took.';

-- No SET search_path: PostgreSQL refuses it for a procedure that commits. All names are qualified.
CREATE PROCEDURE pgtandem.walk(p_mapping text, p_purpose text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_step  record;
    v_taken bigint;
BEGIN
    PERFORM pgtandem._walk_start(p_mapping, p_purpose);
    SELECT 16::bigint AS blocks, 0::double precision AS wait, true AS more INTO v_step;
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SELECT * INTO v_step FROM pgtandem._walk_step(p_mapping, p_purpose, v_step.blocks);
        EXIT WHEN NOT v_step.more;
        IF v_step.wait OPERATOR(pg_catalog.>) 0 THEN
            COMMIT;
            PERFORM pg_catalog.pg_sleep(v_step.wait);
        END IF;
    END LOOP;
    WHILE p_purpose OPERATOR(pg_catalog.=) 'archive' LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        v_taken := pgtandem.archive_noted(p_mapping, 1000);
        -- The last few are for the script, under its lock.
        EXIT WHEN v_taken OPERATOR(pg_catalog.<) 1000;
    END LOOP;
    PERFORM pgtandem._walk_end(p_mapping, p_purpose);
    COMMIT;
END;
$$;
COMMENT ON PROCEDURE pgtandem.walk(text, text) IS
    'archive: copies the columns that contract takes out of the source into the archive. restore: '
    'puts them back. A range of blocks a transaction; interrupt and repeat it at will. TD001 '
    'unknown mapping, TD040 it has not begun, TD041 it is already running.';

COMMIT;
