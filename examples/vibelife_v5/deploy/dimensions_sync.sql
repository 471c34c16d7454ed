-- Deploy vibelife_v5:dimensions_sync to pg
-- requires: dimensions_expand
-- requires: pgtandem:drain
--
-- Rendered by pgtandem 0.1.0 from the mapping "dimensions", SHA-256 eb395e273c45a219.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of vibelife.user_profiles queues the key that it touches, and a drain
-- brings the image to vibelife.dimension_profiles. Opens the copy: what was there before is
-- still to be backfilled.
--
-- Locks: both tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers wait,
-- readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
-- The image without what is computed once.
CREATE VIEW pgtandem_dimensions.kept AS
SELECT source.user_id AS user_id,
       (part.key)::varchar AS dimension_type,
       (part.value)::jsonb AS raw_data
FROM vibelife.user_profiles AS source
CROSS JOIN LATERAL (SELECT key, value FROM jsonb_each(CASE jsonb_typeof(profile_data) WHEN 'object'
                                                      THEN profile_data END) WHERE key IN ('bazi',
                                                      'zodiac') AND value <> 'null') AS part;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"vibelife.user_profiles", "vibelife.dimension_profiles"}',
                                 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('dimensions',
        'eb395e273c45a21931fc8ff1ea70e313dd936e9da0aeb0578c7c4a3605c4af77');
    PERFORM pgtandem.require_unique('vibelife.dimension_profiles', ARRAY['user_id',
                                    'dimension_type']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_dimensions.image', 'vibelife.user_profiles',
                                  ARRAY['user_id', 'profile_data', 'created_at']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_dimensions.kept', '{"vibelife.user_profiles"}');
    PERFORM pgtandem.require_deletable('vibelife.user_profiles', 'vibelife.dimension_profiles');
END;
$do$;
DROP VIEW pgtandem_dimensions.kept;

-- What one row of the source becomes, of which the queue has the key: hold the target's rows, then
-- read their images in a statement of its own. Never the other way round: a re-insert would be
-- lost.
CREATE OR REPLACE FUNCTION pgtandem_dimensions.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1   vibelife.dimension_profiles.user_id%TYPE := (p_key ->> 0)::uuid;
    v_result text := 'equal';
BEGIN
    FOR v_try IN 1..20 LOOP
        PERFORM FROM vibelife.dimension_profiles AS t
        WHERE t.user_id = v_key1 AND (SELECT (dimension_type IN ('bazi',
                                              'zodiac')) FROM (SELECT t.*) AS target)
        FOR UPDATE;
        DELETE FROM vibelife.dimension_profiles AS t
        WHERE t.user_id = v_key1 AND (SELECT (dimension_type IN ('bazi',
                                              'zodiac')) FROM (SELECT t.*) AS target)
          AND NOT EXISTS (SELECT FROM pgtandem_dimensions.image AS i
                          WHERE i.user_id = v_key1 AND i.user_id = t.user_id
                          AND i.dimension_type = t.dimension_type);
        IF FOUND THEN
            v_result := 'deleted';
        END IF;
        UPDATE vibelife.dimension_profiles AS t
        SET raw_data = i.raw_data
        FROM pgtandem_dimensions.image AS i
        WHERE t.user_id = v_key1 AND i.user_id = v_key1
          AND i.user_id = t.user_id AND i.dimension_type = t.dimension_type
          AND (t.raw_data IS DISTINCT FROM i.raw_data);
        IF FOUND THEN
            v_result := 'updated';
        END IF;
        INSERT INTO vibelife.dimension_profiles AS t
            (user_id, dimension_type, raw_data, is_unlocked, unlocked_at)
        OVERRIDING SYSTEM VALUE
        SELECT i.user_id, i.dimension_type, i.raw_data, i.is_unlocked, i.unlocked_at
        FROM pgtandem_dimensions.image AS i
        WHERE i.user_id = v_key1
          AND NOT EXISTS (SELECT FROM vibelife.dimension_profiles AS o WHERE o.user_id = i.user_id
                          AND o.dimension_type = i.dimension_type)
        ON CONFLICT (user_id, dimension_type) DO NOTHING;
        IF FOUND THEN
            v_result := 'inserted';
        END IF;
        -- Has a chunk put in a row of these meanwhile? Hold it, and look again.
        IF NOT EXISTS (
               SELECT FROM pgtandem_dimensions.image AS i
               LEFT JOIN vibelife.dimension_profiles AS t ON t.user_id = i.user_id
                   AND t.dimension_type = i.dimension_type
               WHERE i.user_id = v_key1
                 AND (t.user_id IS NULL OR (t.raw_data IS DISTINCT FROM i.raw_data)
                 OR (SELECT (dimension_type IN ('bazi',
                     'zodiac')) FROM (SELECT t.*) AS target) IS NOT TRUE)) THEN
            RETURN v_result;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'the target % does not keep the image of key %', 'vibelife.dimension_profiles',
        p_key
        USING ERRCODE = 'TD010',
              DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
              HINT = 'Let the mapping say what the target really stores.';
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_dimensions.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_dimensions.settle(jsonb) IS
    'Makes the target hold what one row of the source becomes: the last of deleted, updated and '
    'inserted that it did, or equal. TD010. Called by pgtandem._settle, which marks the write as '
    'ours.';

CREATE OR REPLACE FUNCTION pgtandem_dimensions.chunk_keys(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $chunk_keys$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT jsonb_build_array(source.user_id, (part.key)::varchar)
        FROM ONLY %s AS source
        CROSS JOIN LATERAL (SELECT key, value FROM jsonb_each(CASE jsonb_typeof(profile_data)
                            WHEN 'object' THEN profile_data END) WHERE key IN ('bazi',
                            'zodiac') AND value <> 'null') AS part
        WHERE source.ctid >= $1 AND source.ctid < $2
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_dimensions.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

CREATE OR REPLACE FUNCTION pgtandem_dimensions.queue_extra() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $queue_extra$
    INSERT INTO pgtandem.recheck (mapping, key, reason)
    SELECT 'dimensions', jsonb_build_array(t.user_id), 'gone'
    FROM vibelife.dimension_profiles AS t
    WHERE NOT EXISTS (SELECT FROM pgtandem_dimensions.image AS i
                      WHERE i.user_id = t.user_id AND i.dimension_type = t.dimension_type)
      AND (SELECT (dimension_type IN ('bazi', 'zodiac')) FROM (SELECT t.*) AS target);
$queue_extra$;
REVOKE ALL ON FUNCTION pgtandem_dimensions.queue_extra() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_dimensions.queue_extra() IS
    'Queues the keys of the target that have no image. Called by pgtandem._sweep, once a copy over '
    'a target that had rows.';

-- Rows go in sorted by the key of the target, whose index then grows in order.
CREATE OR REPLACE FUNCTION pgtandem_dimensions.copy_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint,
    p_strategy    text
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $copy$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format(CASE p_strategy
        WHEN 'overwrite' THEN $overwrite$
            -- The lock makes the value read the value current at the write.
            WITH image AS MATERIALIZED (
            SELECT source.user_id AS user_id,
                   (part.key)::varchar AS dimension_type,
                   (part.value)::jsonb AS raw_data,
                   true AS is_unlocked,
                   source.created_at AS unlocked_at
            FROM ONLY %s AS source
            CROSS JOIN LATERAL (SELECT key,
                value FROM jsonb_each(CASE jsonb_typeof(profile_data) WHEN 'object'
                                      THEN profile_data END) WHERE key IN ('bazi',
                                      'zodiac') AND value <> 'null') AS part
            WHERE source.ctid >= $1 AND source.ctid < $2
            FOR NO KEY UPDATE OF source)
            INSERT INTO vibelife.dimension_profiles AS t
                (user_id, dimension_type, raw_data, is_unlocked, unlocked_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.user_id, i.dimension_type, i.raw_data, i.is_unlocked, i.unlocked_at
            FROM image AS i
            ORDER BY i.user_id, i.dimension_type
            ON CONFLICT (user_id, dimension_type) DO UPDATE
                SET raw_data = excluded.raw_data
                WHERE t.raw_data IS DISTINCT FROM excluded.raw_data
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO vibelife.dimension_profiles
                (user_id, dimension_type, raw_data, is_unlocked, unlocked_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.user_id,
                   (part.key)::varchar,
                   (part.value)::jsonb,
                   true,
                   source.created_at
            FROM ONLY %s AS source
            CROSS JOIN LATERAL (SELECT key,
                value FROM jsonb_each(CASE jsonb_typeof(profile_data) WHEN 'object'
                                      THEN profile_data END) WHERE key IN ('bazi',
                                      'zodiac') AND value <> 'null') AS part
            WHERE source.ctid >= $1 AND source.ctid < $2
            ORDER BY source.user_id, (part.key)::varchar
        $insert$
        ELSE $skip$
            INSERT INTO vibelife.dimension_profiles
                (user_id, dimension_type, raw_data, is_unlocked, unlocked_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.user_id,
                   (part.key)::varchar,
                   (part.value)::jsonb,
                   true,
                   source.created_at
            FROM ONLY %s AS source
            CROSS JOIN LATERAL (SELECT key,
                value FROM jsonb_each(CASE jsonb_typeof(profile_data) WHEN 'object'
                                      THEN profile_data END) WHERE key IN ('bazi',
                                      'zodiac') AND value <> 'null') AS part
            -- Computed here, where no column of the target is in sight.
            CROSS JOIN LATERAL (SELECT (part.key)::varchar AS pgtandem_1) AS pgtandem_key
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND NOT EXISTS (SELECT FROM vibelife.dimension_profiles AS t
                              WHERE t.user_id = source.user_id
                              AND t.dimension_type = pgtandem_key.pgtandem_1)
            ORDER BY source.user_id, (part.key)::varchar
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (user_id, dimension_type) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_dimensions.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_dimensions.copy_chunk(regclass, bigint, bigint, text) IS
    'Copies a range of blocks; returns the rows written. Strategies: insert (none is there), skip '
    '(those there are right), ignore (likewise, with writers at work), overwrite (lock and '
    'replace). Called by pgtandem._copy_chunk, which marks the write as ours.';

-- A write of the source queues its key, and takes no lock but that of its own row: the old
-- application cannot wait for anybody. "pgtandem drain dimensions --follow" brings the image over.
CREATE OR REPLACE FUNCTION pgtandem_dimensions.sync_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $forward$
#variable_conflict use_column
DECLARE
    v_old    ALIAS FOR old;
    v_new    ALIAS FOR new;
    v_before jsonb;
    v_after  jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.user_id IS DISTINCT FROM NEW.user_id
                                 OR OLD.profile_data IS DISTINCT FROM NEW.profile_data) THEN
        -- Nothing that is mapped. The trigger pgtandem_dimensions_moved is for rows that change
        -- block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.user_id);
    END IF;

    IF v_before IS NOT NULL THEN
        PERFORM pgtandem.queue('dimensions', v_before, 'queued');
    END IF;
    IF v_after IS DISTINCT FROM v_before AND v_after IS NOT NULL THEN
        PERFORM pgtandem.queue('dimensions', v_after, 'queued');
    END IF;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_dimensions.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_dimensions.sync_forward() IS
    'Trigger on vibelife.user_profiles: queues the key of each written row, for a drain.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.user_profiles', 'pgtandem_dimensions',
                                          ARRAY['pgtandem_dimensions_write',
                                                'pgtandem_dimensions_update',
                                                'pgtandem_dimensions_moved',
                                                'pgtandem_dimensions_truncate']::text[]);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_dimensions_write
    AFTER INSERT OR DELETE ON vibelife.user_profiles
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_dimensions.sync_forward();
CREATE OR REPLACE TRIGGER pgtandem_dimensions_update
    AFTER UPDATE ON vibelife.user_profiles
    FOR EACH ROW
EXECUTE FUNCTION pgtandem_dimensions.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. dimensions_backfill disables this one.
CREATE OR REPLACE TRIGGER pgtandem_dimensions_moved
    AFTER UPDATE ON vibelife.user_profiles
    FOR EACH ROW
EXECUTE FUNCTION pgtandem_dimensions.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE vibelife.user_profiles
    ENABLE ALWAYS TRIGGER pgtandem_dimensions_write,
    ENABLE ALWAYS TRIGGER pgtandem_dimensions_update,
    ENABLE ALWAYS TRIGGER pgtandem_dimensions_moved;

CREATE OR REPLACE FUNCTION pgtandem_dimensions.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "dimensions" and cannot be truncated',
        'vibelife.user_profiles'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_dimensions.truncate_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_dimensions.truncate_source() IS
    'Trigger on vibelife.user_profiles: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.user_profiles'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.user_profiles')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_dimensions.depth'', '
                       'true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_dimensions.truncate_source()',
                       'pgtandem_dimensions_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_dimensions_truncate');
    END LOOP;
END;
$leaves$;

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('dimensions');
    PERFORM pgtandem.take_sample('dimensions');
    PERFORM pgtandem.set_phase('dimensions', 'sync');
END;
$do$;

COMMIT;
