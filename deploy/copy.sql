-- Deploy pgtandem:copy to pg
-- requires: chunk
-- requires: drain
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regtype('pgtandem.copied') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TYPE pgtandem.copied AS (
    outcome  text,
    blocks   bigint,
    rows     bigint,
    seconds  double precision,
    strategy text,
    waiters  integer
);
COMMENT ON TYPE pgtandem.copied IS
    'What became of one chunk: outcome (done, halved, relisted, busy: others work on the rest, '
    'none: all are done); its blocks; rows written; seconds; strategy; sessions that waited for '
    'it.';

CREATE FUNCTION pgtandem._claim(p_mapping text, p_blocks bigint) RETURNS pgtandem.chunk
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_chunk pgtandem.chunk;
BEGIN
    SELECT * INTO v_chunk
    FROM pgtandem.chunk AS c
    WHERE c.mapping = p_mapping AND c.done_at IS NULL
    ORDER BY c.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED;
    IF v_chunk.last_block - v_chunk.first_block > p_blocks THEN
        v_chunk := pgtandem._cut(v_chunk, v_chunk.first_block + p_blocks);
    END IF;
    RETURN v_chunk;
END;
$$;
COMMENT ON FUNCTION pgtandem._claim(text, bigint) IS
    'Locks the next chunk that no other session works on, cut to p_blocks; NULL where there is '
    'none.';

CREATE FUNCTION pgtandem._cut(p_chunk pgtandem.chunk, p_block bigint) RETURNS pgtandem.chunk
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO pgtandem.chunk (mapping, relation, filenode, first_block, last_block)
    VALUES (p_chunk.mapping, p_chunk.relation, p_chunk.filenode, p_block, p_chunk.last_block);
    UPDATE pgtandem.chunk SET last_block = p_block WHERE id = p_chunk.id RETURNING * INTO p_chunk;
    RETURN p_chunk;
END;
$$;
COMMENT ON FUNCTION pgtandem._cut(pgtandem.chunk, bigint) IS
    'Ends a chunk before p_block, lists the rest as a chunk of its own, and returns the first '
    'part.';

CREATE FUNCTION pgtandem._copy_rows(p_chunk pgtandem.chunk, OUT rows bigint, OUT set_aside integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key      jsonb;
    v_waited   boolean := false;
    v_sqlstate text;
    v_message  text;
BEGIN
    rows := 0;
    set_aside := 0;
    FOR v_key IN EXECUTE format('SELECT k FROM %I.chunk_keys($1, $2, $3) AS k',
                                'pgtandem_' || p_chunk.mapping)
                 USING p_chunk.relation, p_chunk.first_block, p_chunk.last_block
    LOOP
        IF v_waited THEN
            -- We hold what is settled: no second wait, the drain does the rest.
            PERFORM pgtandem.queue(p_chunk.mapping, v_key, 'copy');
            set_aside := set_aside + 1;
            CONTINUE;
        END IF;
        BEGIN
            PERFORM pgtandem._settle(p_chunk.mapping, v_key);
            rows := rows + 1;
        EXCEPTION
            WHEN serialization_failure OR deadlock_detected OR lock_not_available THEN
                PERFORM pgtandem.queue(p_chunk.mapping, v_key, 'copy');
                set_aside := set_aside + 1;
                v_waited := true;
            WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
                PERFORM pgtandem.record_failure(p_chunk.mapping, v_key, 'copy', v_sqlstate,
                                                v_message);
                set_aside := set_aside + 1;
        END;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._copy_rows(pgtandem.chunk) IS
    'Copies a chunk row by row; a row that fails is set aside: its error stored, its key queued.';

CREATE FUNCTION pgtandem._copy_chunk(
    p_chunk    pgtandem.chunk,
    p_strategy text,
    OUT copied pgtandem.copied
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tries  integer := 0;
    v_marker text;
BEGIN
    copied.strategy := p_strategy;
    LOOP
        BEGIN
            v_marker := pgtandem._mark(p_chunk.mapping);
            EXECUTE format('SELECT %I.copy_chunk($1, $2, $3, $4)', 'pgtandem_' || p_chunk.mapping)
            INTO copied.rows
            USING p_chunk.relation, p_chunk.first_block, p_chunk.last_block, copied.strategy;
            PERFORM set_config(format('pgtandem_%s.depth', p_chunk.mapping), v_marker, true);
            copied.outcome := 'done';
            RETURN;
        EXCEPTION
            WHEN unique_violation THEN
                -- A trigger was there first: step down.
                copied.strategy := CASE copied.strategy WHEN 'insert' THEN 'skip'
                                                        WHEN 'skip' THEN 'ignore' END;
                IF copied.strategy IS NULL THEN
                    copied.strategy := p_strategy;
                    RETURN;
                END IF;
            WHEN serialization_failure OR deadlock_detected OR lock_not_available THEN
                v_tries := v_tries + 1;
                IF v_tries = 3 THEN
                    RETURN;
                END IF;
            WHEN OTHERS THEN
                RETURN;
        END;
        IF v_tries > 0 THEN
            PERFORM pg_sleep(0.02 * v_tries * (1 + random()));
        END IF;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._copy_chunk(pgtandem.chunk, text) IS
    'Copies a chunk with the fastest strategy that goes through: insert, then skip what is there, '
    'then ON CONFLICT DO NOTHING; 40001, 40P01 and 55P03 are tried three times. outcome NULL: it '
    'failed.';

CREATE FUNCTION pgtandem._copy_next(p_mapping text, p_blocks bigint, p_strategy text)
RETURNS pgtandem.copied
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_start  timestamptz;
    v_chunk  pgtandem.chunk;
    v_copied pgtandem.copied;
    v_aside  integer := 0;
BEGIN
    v_chunk := pgtandem._claim(p_mapping, p_blocks);
    IF v_chunk.id IS NULL THEN
        v_copied.outcome := CASE WHEN EXISTS (SELECT FROM pgtandem.chunk
                                              WHERE mapping = p_mapping AND done_at IS NULL)
                                 THEN 'busy' ELSE 'none' END;
        RETURN v_copied;
    END IF;
    -- The copy may have been opened again since the caller looked; its chunks say so, once claimed.
    IF (pgtandem.mapping_of(p_mapping)).copy_strategy = 'overwrite' THEN
        p_strategy := 'overwrite';
    END IF;
    -- Below deadlock_timeout and below the lock_timeout of the sync triggers: ours gives way.
    PERFORM set_config('lock_timeout', '100ms', true);
    BEGIN
        -- A smaller chunk would not help where the whole table is locked.
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', v_chunk.relation);
        EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE',
                       (pgtandem.mapping_of(p_mapping)).target);
    EXCEPTION
        WHEN lock_not_available THEN
            v_copied.outcome := 'locked';
            RETURN v_copied;
    END;
    v_start := clock_timestamp();
    SET CONSTRAINTS ALL IMMEDIATE;  -- a bad row is to fail by itself, not the commit
    PERFORM pgtandem._require_room(p_mapping);
    PERFORM pgtandem._record(p_mapping, 'ours');
    v_copied := pgtandem._copy_chunk(v_chunk, p_strategy);
    v_copied.blocks := v_chunk.last_block - v_chunk.first_block;
    v_copied.seconds := extract(epoch FROM clock_timestamp() - v_start);
    IF v_copied.outcome IS NULL AND v_copied.blocks > 1 THEN
        PERFORM pgtandem._cut(v_chunk, v_chunk.first_block + v_copied.blocks / 2);
        v_copied.outcome := 'halved';
        RETURN v_copied;
    ELSIF v_copied.outcome IS NULL THEN
        SELECT r.rows, r.set_aside INTO v_copied.rows, v_aside
        FROM pgtandem._copy_rows(v_chunk) AS r;
        v_copied.outcome := 'done';
        v_copied.strategy := 'rows';
    END IF;
    PERFORM pgtandem._record(p_mapping, '');
    -- The copy holds a lock on the relation until commit, so this cannot change any more.
    IF pg_relation_filenode(v_chunk.relation) IS DISTINCT FROM v_chunk.filenode THEN
        PERFORM pgtandem._relist(v_chunk);
        v_copied.outcome := 'relisted';
        RETURN v_copied;
    END IF;
    UPDATE pgtandem.chunk
    SET done_at = clock_timestamp(),
        rows = v_copied.rows,
        set_aside = v_aside,
        seconds = v_copied.seconds,
        strategy = v_copied.strategy,
        worker = pg_backend_pid()
    WHERE id = v_chunk.id;
    v_copied.waiters := (SELECT count(*) FROM pg_locks
                         WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)));
    RETURN v_copied;
END;
$$;
COMMENT ON FUNCTION pgtandem._copy_next(text, bigint, text) IS
    'Claims a chunk, copies it and marks it done, all in the calling transaction; halves a chunk '
    'that fails, and sets the single bad rows of the last block aside.';

CREATE FUNCTION pgtandem._relist(p_chunk pgtandem.chunk) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Another worker that lists it now may wait for our chunk: let it go on, and look again later.
    PERFORM set_config('lock_timeout', '5s', true);
    IF pg_try_advisory_xact_lock(hashtextextended('pgtandem list ' || p_chunk.mapping, 0))
       AND EXISTS (
           SELECT FROM pgtandem.chunk
           WHERE mapping = p_chunk.mapping AND relation = p_chunk.relation
             AND filenode <> pg_relation_filenode(p_chunk.relation)
       ) THEN
        PERFORM pgtandem._list_chunks(p_chunk.mapping, p_chunk.relation);
        PERFORM pgtandem.log_event(p_chunk.mapping, 'relist',
                                   jsonb_build_object('relation', p_chunk.relation::text));
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._relist(pgtandem.chunk) IS
    'Lists a relation anew whose file has changed: its rows have moved to other blocks.';

COMMIT;
