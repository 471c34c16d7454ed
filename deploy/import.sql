-- Deploy pgtandem:import to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.import') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.import (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    staging     text NOT NULL,
    state       text NOT NULL DEFAULT 'running'
                CHECK (state IN ('running', 'complete', 'abandoned')),
    files       jsonb NOT NULL CHECK (jsonb_typeof(files) = 'array'),
    fresh       boolean NOT NULL,
    "full"      boolean NOT NULL,
    chunks      bigint NOT NULL DEFAULT 0,
    file        integer NOT NULL DEFAULT 1,
    line        bigint NOT NULL DEFAULT 0,
    position    bigint NOT NULL DEFAULT 0,
    bytes       bigint NOT NULL DEFAULT 0,
    digest      text,
    documents   bigint NOT NULL DEFAULT 0,
    inserted    bigint NOT NULL DEFAULT 0,
    updated     bigint NOT NULL DEFAULT 0,
    unchanged   bigint NOT NULL DEFAULT 0,
    repeated    bigint NOT NULL DEFAULT 0,
    set_aside   bigint NOT NULL DEFAULT 0,
    deleted     bigint NOT NULL DEFAULT 0,
    began_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    role        text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT coalesce(current_setting('application_name', true), '')
);
CREATE UNIQUE INDEX import_running_idx ON pgtandem.import (staging) WHERE state = 'running';
COMMENT ON TABLE pgtandem.import IS
    'The imports of files into staging tables, and how far each one is. A row can be deleted once '
    'it is not running; its bad documents go with it.';
COMMENT ON COLUMN pgtandem.import.id IS 'Number of the import; staging tables refer to it.';
COMMENT ON COLUMN pgtandem.import.staging IS 'The staging table, as schema.name.';
COMMENT ON COLUMN pgtandem.import.state IS
    'running: also if it was interrupted, the next run goes on. complete. abandoned: by --restart.';
COMMENT ON COLUMN pgtandem.import.files IS
    'The files in order: name, size in bytes, and when they were last modified.';
COMMENT ON COLUMN pgtandem.import.fresh IS 'Whether the staging table was empty when it began.';
COMMENT ON COLUMN pgtandem.import."full" IS
    'Whether the files are all there is: what they lack is deleted from the staging table.';
COMMENT ON COLUMN pgtandem.import.chunks IS 'Chunks that are committed.';
COMMENT ON COLUMN pgtandem.import.file IS 'Number of the file that is read, from 1.';
COMMENT ON COLUMN pgtandem.import.line IS 'Lines of this file that are committed.';
COMMENT ON COLUMN pgtandem.import.position IS
    'Bytes of this file that are committed; where it is compressed, of what is in it.';
COMMENT ON COLUMN pgtandem.import.bytes IS 'Bytes of all files that are committed.';
COMMENT ON COLUMN pgtandem.import.digest IS
    'SHA-256 of these bytes: a run that goes on reads them again, and compares.';
COMMENT ON COLUMN pgtandem.import.documents IS 'Documents that were read, bad ones included.';
COMMENT ON COLUMN pgtandem.import.inserted IS 'Documents whose _id was not there.';
COMMENT ON COLUMN pgtandem.import.updated IS 'Documents that were there and differed.';
COMMENT ON COLUMN pgtandem.import.unchanged IS 'Documents that were there, and were not written.';
COMMENT ON COLUMN pgtandem.import.repeated IS 'Documents that came again, and were the same.';
COMMENT ON COLUMN pgtandem.import.set_aside IS 'Bad documents: pgtandem.import_bad.';
COMMENT ON COLUMN pgtandem.import.deleted IS 'Documents that the files no longer had (--full).';
COMMENT ON COLUMN pgtandem.import.began_at IS 'When it began.';
COMMENT ON COLUMN pgtandem.import.finished_at IS 'When it was complete, or given up.';
COMMENT ON COLUMN pgtandem.import.role IS 'session_user of who began it.';
COMMENT ON COLUMN pgtandem.import.application IS 'application_name of who began it.';

CREATE TABLE pgtandem.import_bad (
    import   bigint NOT NULL REFERENCES pgtandem.import ON DELETE CASCADE,
    file     integer NOT NULL,
    position bigint NOT NULL,
    line     bigint NOT NULL,
    name     text NOT NULL,
    reason   text NOT NULL,
    message  text NOT NULL,
    size     bigint NOT NULL,
    raw      bytea NOT NULL,
    PRIMARY KEY (import, file, position)
);
COMMENT ON TABLE pgtandem.import_bad IS
    'Documents that an import has set aside, as they were in the file.';
COMMENT ON COLUMN pgtandem.import_bad.import IS 'Number of the import.';
COMMENT ON COLUMN pgtandem.import_bad.file IS 'Number of the file, from 1.';
COMMENT ON COLUMN pgtandem.import_bad.position IS
    'Byte of the file at which the document begins, from 0; of what is in it, if it is compressed.';
COMMENT ON COLUMN pgtandem.import_bad.line IS
    'Line on which it begins, from 1; of BSON, the number of the document.';
COMMENT ON COLUMN pgtandem.import_bad.name IS 'Name of the file.';
COMMENT ON COLUMN pgtandem.import_bad.reason IS 'Why, in a few words that are always the same.';
COMMENT ON COLUMN pgtandem.import_bad.message IS 'Why, with the values.';
COMMENT ON COLUMN pgtandem.import_bad.size IS 'Bytes of the document in the file.';
COMMENT ON COLUMN pgtandem.import_bad.raw IS
    'These bytes; only the first mebibyte of a document that is no document at all, being larger '
    'than 64 MiB, or BSON of which no end can be found.';

CREATE TABLE pgtandem.import_seen (
    import bigint NOT NULL REFERENCES pgtandem.import ON DELETE CASCADE,
    _id    text NOT NULL,
    hash   bigint NOT NULL,
    PRIMARY KEY (import, _id)
);
COMMENT ON TABLE pgtandem.import_seen IS
    'The documents that a running import has found in its files, where the staging table was not '
    'empty when it began. Emptied when the import is complete.';
COMMENT ON COLUMN pgtandem.import_seen.import IS 'Number of the import.';
COMMENT ON COLUMN pgtandem.import_seen._id IS 'The _id, as in the staging table.';
COMMENT ON COLUMN pgtandem.import_seen.hash IS 'hashtextextended of the document.';

CREATE FUNCTION pgtandem._check_staging(p_staging regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_wanted text[] := ARRAY['_id text', 'document jsonb', 'import bigint'];
    v_wrong  text := (
        SELECT string_agg(w, ', ') FROM unnest(v_wanted) AS w
        WHERE NOT EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = p_staging AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
              AND w = attname || ' ' || format_type(atttypid, atttypmod)
        ));
    v_more   text := (
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = p_staging AND attnum > 0 AND NOT attisdropped AND attnotnull
          AND NOT atthasdef AND attidentity = ''
          AND attname NOT IN ('_id', 'document', 'import'));
BEGIN
    IF (SELECT relkind NOT IN ('r', 'p') FROM pg_class WHERE oid = p_staging) THEN
        v_wrong := 'It is no table.';
    ELSIF v_wrong IS NOT NULL THEN
        v_wrong := format('It lacks: %s.', v_wrong);
    ELSIF v_more IS NOT NULL THEN
        v_wrong := format('It needs a value for: %s.', v_more);
    ELSIF NOT EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = p_staging AND indisunique AND indisvalid AND indimmediate
          AND indpred IS NULL AND indnkeyatts = 1 AND indkey[0] = (
              SELECT attnum FROM pg_attribute WHERE attrelid = p_staging AND attname = '_id')
    ) THEN
        v_wrong := 'It has no unique index on _id.';
    ELSE
        RETURN;
    END IF;
    RAISE EXCEPTION '% cannot hold documents', p_staging
        USING ERRCODE = 'TD080', DETAIL = v_wrong,
              HINT = 'Name a table that is not there, and the import makes it; or CREATE TABLE '
                     'name (_id text PRIMARY KEY, document jsonb NOT NULL, import bigint NOT NULL)';
END;
$$;
COMMENT ON FUNCTION pgtandem._check_staging(regclass) IS
    'TD080 unless the table has the columns of a staging table.';

CREATE FUNCTION pgtandem.begin_import(
    p_staging regclass,
    p_files   jsonb,
    p_full    boolean DEFAULT false,
    p_restart boolean DEFAULT false
) RETURNS pgtandem.import
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_import pgtandem.import;
    v_fresh  boolean;
    v_locked boolean;
    v_lock   bigint := hashtextextended('pgtandem import ' || p_staging::oid, 0);
BEGIN
    PERFORM pgtandem._check_staging(p_staging);
    -- A session ends a little after its client; one that is killed, after two seconds.
    FOR v_try IN 1..25 LOOP
        v_locked := pg_try_advisory_lock(v_lock);
        EXIT WHEN v_locked;
        PERFORM pg_sleep(0.1);
    END LOOP;
    IF NOT v_locked THEN
        RAISE EXCEPTION 'an import into % is running already', p_staging
            USING ERRCODE = 'TD081',
                  DETAIL = format('It is run by pid %s.', coalesce((
                      SELECT string_agg(pid::text, ', ') FROM pg_locks
                      WHERE locktype = 'advisory' AND granted AND objsubid = 1
                        AND database = (SELECT oid FROM pg_database
                                        WHERE datname = current_database())
                        AND (classid::bigint << 32 | objid::bigint) = v_lock), '?')),
                  HINT = 'Wait for its end: SELECT * FROM pgtandem.import';
    END IF;
    SELECT * INTO v_import FROM pgtandem.import
    WHERE staging = p_staging::text AND state = 'running' FOR UPDATE;
    IF FOUND AND NOT p_restart THEN
        IF jsonb_array_length(v_import.files) <> jsonb_array_length(p_files) THEN
            RAISE EXCEPTION 'import % into % is not finished, and it was of other files',
                v_import.id, p_staging
                USING ERRCODE = 'TD082',
                      DETAIL = format('It was of: %s.', (
                          SELECT string_agg(f ->> 'name', ', ' ORDER BY n)
                          FROM jsonb_array_elements(v_import.files) WITH ORDINALITY AS e (f, n))),
                      HINT = 'Name these files to go on, or give it up with --restart.';
        END IF;
        UPDATE pgtandem.import SET files = p_files, "full" = p_full WHERE id = v_import.id
        RETURNING * INTO v_import;
        RETURN v_import;
    ELSIF FOUND THEN
        UPDATE pgtandem.import SET state = 'abandoned', finished_at = clock_timestamp()
        WHERE id = v_import.id;
        DELETE FROM pgtandem.import_seen WHERE import = v_import.id;
    END IF;
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', p_staging) INTO v_fresh;
    INSERT INTO pgtandem.import (staging, files, fresh, "full")
    VALUES (p_staging::text, p_files, v_fresh, p_full)
    RETURNING * INTO v_import;
    RETURN v_import;
END;
$$;
COMMENT ON FUNCTION pgtandem.begin_import(regclass, jsonb, boolean, boolean) IS
    'Begins an import, or goes on with the one that is not finished, and keeps others out until '
    'the session ends. TD080: not a staging table. TD081: one is running. TD082: the unfinished '
    'one was of other files.';

CREATE FUNCTION pgtandem.advance_import(
    p_import   bigint,
    p_chunk    bigint,
    p_file     integer,
    p_line     bigint,
    p_position bigint,
    p_bytes    bigint,
    p_digest   text,
    p_counts   jsonb
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE pgtandem.import SET
        chunks = p_chunk, file = p_file, line = p_line, position = p_position, bytes = p_bytes,
        digest = p_digest,
        documents = documents + coalesce((p_counts ->> 'documents')::bigint, 0),
        inserted = inserted + coalesce((p_counts ->> 'inserted')::bigint, 0),
        updated = updated + coalesce((p_counts ->> 'updated')::bigint, 0),
        unchanged = unchanged + coalesce((p_counts ->> 'unchanged')::bigint, 0),
        repeated = repeated + coalesce((p_counts ->> 'repeated')::bigint, 0),
        set_aside = set_aside + coalesce((p_counts ->> 'set_aside')::bigint, 0)
    WHERE id = p_import AND state = 'running' AND chunks = p_chunk - 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'import % is not at chunk %', p_import, p_chunk
            USING ERRCODE = 'TD084',
                  DETAIL = coalesce((
                      SELECT format('It is %s, after chunk %s.', state, chunks)
                      FROM pgtandem.import WHERE id = p_import), 'There is no such import.'),
                  HINT = 'Another session went on with it. Run the command again.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.advance_import(
    bigint, bigint, integer, bigint, bigint, bigint, text, jsonb) IS
    'Notes, in the transaction of a chunk, how far the import is. TD084: it is not at this chunk.';

CREATE FUNCTION pgtandem._absent(p_import bigint, p_query text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_import pgtandem.import;
BEGIN
    SELECT * INTO v_import FROM pgtandem.import WHERE id = p_import;
    IF NOT coalesce(v_import.state = 'running' AND v_import."full", false) THEN
        RAISE EXCEPTION 'import % is no full import that is running', p_import
            USING ERRCODE = 'TD084', HINT = 'Run pgtandem import with --full.';
    ELSIF v_import.set_aside > 0 THEN
        RAISE EXCEPTION 'import % has set aside % documents, so nothing is deleted',
            p_import, v_import.set_aside
            USING ERRCODE = 'TD083',
                  DETAIL = 'What is set aside would look as if the files did not have it.',
                  HINT = format('SELECT * FROM pgtandem.import_bad WHERE import = %s', p_import);
    END IF;
    RETURN format(p_query, v_import.staging, CASE WHEN v_import.fresh
        THEN format('t.import <> %s', p_import)
        ELSE format('NOT EXISTS (SELECT FROM pgtandem.import_seen AS s '
                    'WHERE s.import = %s AND s._id = t._id)', p_import) END);
END;
$$;
COMMENT ON FUNCTION pgtandem._absent(bigint, text) IS
    'A query with the staging table and the condition of what the files lack. TD083: documents '
    'were set aside. TD084: it is no full import.';

CREATE FUNCTION pgtandem.count_absent(
    p_import bigint,
    OUT absent  bigint,
    OUT present bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE pgtandem._absent(
        p_import, 'SELECT count(*) FILTER (WHERE %2$s), count(*) FROM %1$s AS t'
    ) INTO absent, present;
END;
$$;
COMMENT ON FUNCTION pgtandem.count_absent(bigint) IS
    'How many documents of the staging table the files lack, and how many there are.';

CREATE FUNCTION pgtandem.delete_absent(
    p_import bigint,
    p_after  text DEFAULT '',
    p_limit  integer DEFAULT 5000
) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_ids text[];
BEGIN
    EXECUTE pgtandem._absent(
        p_import,
        'SELECT array_agg(_id ORDER BY _id) FROM (SELECT t._id FROM %1$s AS t '
        'WHERE t._id > $1 AND %2$s ORDER BY t._id LIMIT $2) AS a'
    ) INTO v_ids USING p_after, p_limit;
    IF v_ids IS NOT NULL THEN
        EXECUTE pgtandem._absent(p_import, 'DELETE FROM %1$s AS t WHERE t._id = ANY ($1) AND %2$s')
        USING v_ids;
        UPDATE pgtandem.import SET deleted = deleted + cardinality(v_ids) WHERE id = p_import;
    END IF;
    RETURN v_ids[cardinality(v_ids)];
END;
$$;
COMMENT ON FUNCTION pgtandem.delete_absent(bigint, text, integer) IS
    'Deletes some documents that the files lack, after an _id; returns the last _id, NULL when '
    'there are no more.';

CREATE FUNCTION pgtandem.finish_import(p_import bigint) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM pgtandem.import_seen WHERE import = p_import;
    UPDATE pgtandem.import SET state = 'complete', finished_at = clock_timestamp()
    WHERE id = p_import AND state = 'running';
$$;
COMMENT ON FUNCTION pgtandem.finish_import(bigint) IS 'Notes that an import is complete.';

COMMIT;
