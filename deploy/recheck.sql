-- Deploy pgtandem:recheck to pg
-- requires: mapping
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.recheck') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

-- Append only, without a unique or foreign key: an entry is written inside transactions of the
-- applications, and must neither wait for another nor fail in REPEATABLE READ.
CREATE TABLE pgtandem.recheck (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mapping    text NOT NULL,
    key        jsonb NOT NULL,
    side       text NOT NULL DEFAULT 'target' CHECK (side IN ('target', 'source', 'archive')),
    via        text,
    reason     text NOT NULL
               CHECK (reason IN ('gone', 'queued', 'sync', 'copy', 'difference', 'contract',
                                 'inserted', 'deleted', 'renamed')),
    sqlstate   text,
    message    text,
    attempts   integer NOT NULL DEFAULT 0,
    queued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX recheck_key_idx ON pgtandem.recheck (mapping, key);
CREATE INDEX recheck_via_idx ON pgtandem.recheck (mapping, id) WHERE via IS NOT NULL;

COMMENT ON TABLE pgtandem.recheck IS
    'The queue of all that is unsure: keys whose two sides have to be looked at again.';
COMMENT ON COLUMN pgtandem.recheck.id IS 'Order of queueing.';
COMMENT ON COLUMN pgtandem.recheck.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.recheck.key IS
    'JSON array of the key columns, in the order of mapping.key.';
COMMENT ON COLUMN pgtandem.recheck.side IS
    'The side that is to be made equal to the other: the target, or after contract the source. '
    'archive: the archive of columns that contract is about to take out of the source.';
COMMENT ON COLUMN pgtandem.recheck.via IS
    'NULL: the key is one of the mapping. Else a table of its joins, and the key is what a written '
    'row of that table touches: a drain finds the keys of the mapping behind it.';
COMMENT ON COLUMN pgtandem.recheck.reason IS
    'gone: an image was taken away while a chunk may still put it back. queued: a write in mode '
    'queued. sync: a failing sync. '
    'copy: a row that the backfill set aside. difference: a repair. contract: written since '
    'contract. inserted, deleted, renamed: likewise, where the source keeps its rows; the last '
    'one says whether the row is to be there; renamed: its key was another.';
COMMENT ON COLUMN pgtandem.recheck.sqlstate IS
    'Of the last failure; NULL where nothing failed yet.';
COMMENT ON COLUMN pgtandem.recheck.message IS 'Of the last failure.';
COMMENT ON COLUMN pgtandem.recheck.attempts IS 'How often a drain tried and failed.';
COMMENT ON COLUMN pgtandem.recheck.queued_at IS 'Wall clock of the queueing.';
COMMENT ON COLUMN pgtandem.recheck.not_before IS 'The next try after a failure.';

CREATE TABLE pgtandem.sync_failure (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mapping     text NOT NULL,
    key         jsonb NOT NULL,
    reason      text NOT NULL CHECK (reason IN ('sync', 'copy')),
    sqlstate    text NOT NULL,
    message     text NOT NULL,
    failed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    repaired_at timestamptz
);
CREATE INDEX sync_failure_open_idx ON pgtandem.sync_failure (mapping, key)
    WHERE repaired_at IS NULL;
CREATE INDEX sync_failure_time_idx ON pgtandem.sync_failure (mapping, reason, failed_at);

COMMENT ON TABLE pgtandem.sync_failure IS
    'Every write that could not be carried over at once, also after it was repaired.';
COMMENT ON COLUMN pgtandem.sync_failure.id IS 'Order of the failures.';
COMMENT ON COLUMN pgtandem.sync_failure.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.sync_failure.key IS 'JSON array of the key columns.';
COMMENT ON COLUMN pgtandem.sync_failure.reason IS 'sync: in a trigger. copy: in a chunk.';
COMMENT ON COLUMN pgtandem.sync_failure.sqlstate IS 'SQLSTATE of the error that was trapped.';
COMMENT ON COLUMN pgtandem.sync_failure.message IS 'Its message, with the constraint or column.';
COMMENT ON COLUMN pgtandem.sync_failure.failed_at IS 'Wall clock of the failure.';
COMMENT ON COLUMN pgtandem.sync_failure.repaired_at IS 'When a drain settled the key; NULL: open.';

CREATE FUNCTION pgtandem.key_value(p_value anyelement) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET "TimeZone" = 'UTC'
SET "DateStyle" = 'ISO, YMD'
SET "IntervalStyle" = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
    SELECT to_jsonb(p_value);
$$;
COMMENT ON FUNCTION pgtandem.key_value(anyelement) IS
    'A column of a key as JSON, the same in every session, for types whose text depends on '
    'settings.';

CREATE FUNCTION pgtandem.queue(
    p_mapping text,
    p_key     jsonb,
    p_reason  text,
    p_side    text DEFAULT 'target',
    p_via     text DEFAULT NULL
) RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO pgtandem.recheck (mapping, key, side, via, reason)
    VALUES (p_mapping, p_key, p_side, p_via, p_reason);
$$;
COMMENT ON FUNCTION pgtandem.queue(text, jsonb, text, text, text) IS
    'Queues one key, or what a row of a joined table (p_via) touches. Inlined into its caller, '
    'hence without a pinned search_path.';

CREATE FUNCTION pgtandem._cascades(
    p_target     regclass,
    p_target_key text[],
    p_source     regclass,
    p_source_key text[]
) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- In the session that deletes no foreign key may be switched off.
    SELECT current_setting('session_replication_role') <> 'replica' AND EXISTS (
        SELECT
        FROM pg_constraint AS c
        WHERE c.conrelid = p_target AND c.confrelid = p_source AND c.contype = 'f'
          AND c.confdeltype = 'c' AND c.convalidated AND NOT c.condeferrable
          AND cardinality(c.conkey) = cardinality(p_target_key)
          AND NOT EXISTS (
              SELECT
              FROM unnest(p_target_key, p_source_key) AS k (target_column, source_column)
              WHERE NOT EXISTS (
                  SELECT
                  FROM unnest(c.conkey, c.confkey) AS f (target_number, source_number)
                  JOIN pg_attribute AS t ON t.attrelid = p_target AND t.attnum = f.target_number
                  JOIN pg_attribute AS s ON s.attrelid = p_source AND s.attnum = f.source_number
                  WHERE t.attname = k.target_column AND s.attname = k.source_column
              )
          )
    );
$$;
COMMENT ON FUNCTION pgtandem._cascades(regclass, text[], regclass, text[]) IS
    'Whether a foreign key lets the row of the target go with that of the source, so that none can '
    'stay behind.';

CREATE FUNCTION pgtandem.record_failure(
    p_mapping  text,
    p_key      jsonb,
    p_reason   text,
    p_sqlstate text,
    p_message  text
) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO pgtandem.sync_failure (mapping, key, reason, sqlstate, message)
    VALUES (p_mapping, p_key, p_reason, p_sqlstate, p_message);
    INSERT INTO pgtandem.recheck (mapping, key, reason, sqlstate, message)
    VALUES (p_mapping, p_key, p_reason, p_sqlstate, p_message);
$$;
COMMENT ON FUNCTION pgtandem.record_failure(text, jsonb, text, text, text) IS
    'Stores a failed sync or copy of one key, and queues the key.';

CREATE FUNCTION pgtandem._sync_failed(
    p_mapping  text,
    p_old_key  jsonb,
    p_new_key  jsonb,
    p_sqlstate text,
    p_message  text
) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pgtandem.record_failure(p_mapping, k, 'sync', p_sqlstate, p_message)
    FROM (SELECT p_old_key UNION SELECT p_new_key) AS keys (k)
    WHERE k IS NOT NULL;
$$;
COMMENT ON FUNCTION pgtandem._sync_failed(text, jsonb, jsonb, text, text) IS
    'Stores the failed sync of one write: under the key before it, the key after it, or both.';

CREATE FUNCTION pgtandem._forget_recheck() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM pgtandem.recheck WHERE mapping = OLD.name;
    DELETE FROM pgtandem.sync_failure WHERE mapping = OLD.name;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION pgtandem._forget_recheck() IS
    'Empties the queue of a mapping that is forgotten.';
CREATE TRIGGER forget_recheck AFTER DELETE ON pgtandem.mapping
    FOR EACH ROW EXECUTE FUNCTION pgtandem._forget_recheck();

COMMIT;
