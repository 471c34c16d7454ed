-- Deploy pgtandem:mapping to pg
-- requires: event
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.mapping') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.mapping (
    name          text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,40}$'),
    hash          text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    source        regclass NOT NULL,
    target        regclass NOT NULL,
    key           text[] NOT NULL CHECK (cardinality(key) > 0),
    phase         text NOT NULL DEFAULT 'expand'
                  CHECK (phase IN ('expand', 'sync', 'backfill', 'contract')),
    copy_state    text NOT NULL DEFAULT 'none' CHECK (copy_state IN ('none', 'open', 'complete')),
    copy_strategy text NOT NULL DEFAULT 'insert' CHECK (copy_strategy IN ('insert', 'overwrite')),
    copy_changed  timestamptz NOT NULL DEFAULT clock_timestamp(),
    sweep         text NOT NULL DEFAULT 'none' CHECK (sweep IN ('none', 'ask', 'remove')),
    paused_by     text,
    settings      jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    rendered_by   text NOT NULL,
    deployed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    deployed_by   text NOT NULL DEFAULT session_user
);

COMMENT ON TABLE pgtandem.mapping IS
    'One row for each deployed mapping: what the database knows of the YAML file.';
COMMENT ON COLUMN pgtandem.mapping.name IS
    'Name of the mapping; its rendered objects live in the schema pgtandem_<name>.';
COMMENT ON COLUMN pgtandem.mapping.hash IS
    'SHA-256 of the mapping that the deployed scripts were rendered from, in hex.';
COMMENT ON COLUMN pgtandem.mapping.source IS 'The old table; follows it into the archive.';
COMMENT ON COLUMN pgtandem.mapping.target IS 'The new table.';
COMMENT ON COLUMN pgtandem.mapping.key IS
    'Columns of the target that identify a row; keys elsewhere are JSON arrays in this order.';
COMMENT ON COLUMN pgtandem.mapping.phase IS 'The last phase that was deployed.';
COMMENT ON COLUMN pgtandem.mapping.copy_state IS
    'none: no triggers yet. open: rows written before the triggers are being copied, so whatever '
    'takes an image away also queues its key. complete: proven complete.';
COMMENT ON COLUMN pgtandem.mapping.copy_strategy IS
    'insert: rows that the target has already are right. overwrite: they may be an older image.';
COMMENT ON COLUMN pgtandem.mapping.copy_changed IS 'When copy_state last changed.';
COMMENT ON COLUMN pgtandem.mapping.sweep IS
    'What the copy still has to do about rows of the target that have no image. remove: queue '
    'them, as the sync has been at work all the time, so they have left the filter. ask: there '
    'was a time without sync, so each was deleted in the source, or is the new application''s '
    'own: stop.';
COMMENT ON COLUMN pgtandem.mapping.paused_by IS 'Who paused the backfill; NULL where it may run.';
COMMENT ON COLUMN pgtandem.mapping.settings IS
    'The sections sync, backfill, gate, contract and areas of the mapping file.';
COMMENT ON COLUMN pgtandem.mapping.rendered_by IS 'Version of pgtandem that rendered the scripts.';
COMMENT ON COLUMN pgtandem.mapping.deployed_at IS 'When the expand phase was last deployed.';
COMMENT ON COLUMN pgtandem.mapping.deployed_by IS 'session_user of that deploy.';

CREATE FUNCTION pgtandem.mapping_of(p_mapping text) RETURNS pgtandem.mapping
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping;
BEGIN
    SELECT * INTO v_mapping FROM pgtandem.mapping WHERE name = p_mapping;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no mapping named "%" is deployed in this database', p_mapping
            USING ERRCODE = 'TD001',
                  DETAIL = format('Deployed: %s.', coalesce(
                      (SELECT string_agg(name, ', ' ORDER BY name) FROM pgtandem.mapping), 'none')),
                  HINT = 'Mend the name, or: sqitch deploy --to NAME_expand';
    END IF;
    RETURN v_mapping;
END;
$$;
COMMENT ON FUNCTION pgtandem.mapping_of(text) IS
    'The row of a mapping; TD001 where none of that name is deployed.';

CREATE FUNCTION pgtandem.require_all_rows(p_table regclass) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hidden text := (SELECT string_agg(t::text, ', ')
                      FROM (SELECT p_table UNION SELECT relid FROM pg_partition_tree(p_table))
                           AS tables (t)
                      WHERE row_security_active(t));
BEGIN
    IF v_hidden IS NOT NULL THEN
        RAISE EXCEPTION 'row level security may hide rows of % from %', v_hidden, current_user
            USING ERRCODE = 'TD002',
                  DETAIL = 'They would be neither copied nor compared nor archived.',
                  HINT = format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY; or let a role with '
                                'BYPASSRLS deploy.', p_table);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_all_rows(regclass) IS
    'Raises TD002 where row level security applies to who runs this, as FORCE ROW LEVEL SECURITY '
    'does to the owner.';

CREATE FUNCTION pgtandem.register_mapping(
    p_name        text,
    p_hash        text,
    p_source      regclass,
    p_target      regclass,
    p_key         text[],
    p_settings    jsonb,
    p_rendered_by text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = p_source) NOT IN ('r', 'p') THEN
        RAISE EXCEPTION 'the source % is not an ordinary or partitioned table', p_source
            USING ERRCODE = 'TD002',
                  HINT = 'Name the table that the application writes, not a view of it.';
    END IF;
    IF EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
               WHERE i.inhparent = p_source AND c.relkind = 'r') THEN
        RAISE EXCEPTION 'the source % has inheritance children', p_source
            USING ERRCODE = 'TD002',
                  DETAIL = 'Row triggers of a parent do not fire for its inheritance children.',
                  HINT = 'Write one mapping for each child, or use declarative partitions.';
    END IF;
    PERFORM pgtandem.require_all_rows(p_source);
    PERFORM pgtandem.require_all_rows(p_target);
    INSERT INTO pgtandem.mapping AS m
        (name, hash, source, target, key, settings, rendered_by)
    VALUES (p_name, p_hash, p_source, p_target, p_key, p_settings, p_rendered_by)
    ON CONFLICT (name) DO UPDATE
        SET hash = excluded.hash,
            source = excluded.source,
            target = excluded.target,
            key = excluded.key,
            -- With another table nothing was ever in sync; what was a merge has rows of its own.
            phase = CASE WHEN (m.source, m.target, m.settings ? 'merge')
                              = (excluded.source, excluded.target, excluded.settings ? 'merge')
                         THEN m.phase ELSE 'expand' END,
            settings = excluded.settings,
            rendered_by = excluded.rendered_by,
            deployed_at = clock_timestamp(),
            deployed_by = session_user;
    PERFORM pgtandem.log_event(p_name, 'register', jsonb_build_object('hash', p_hash));
END;
$$;
COMMENT ON FUNCTION pgtandem.register_mapping(text, text, regclass, regclass, text[], jsonb, text)
    IS 'Makes a mapping known, or replaces it; comparisons made with another hash no longer count. '
       'TD002 where the source cannot have row triggers.';

CREATE FUNCTION pgtandem.set_phase(p_mapping text, p_phase text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_from text := (pgtandem.mapping_of(p_mapping)).phase;
BEGIN
    UPDATE pgtandem.mapping SET phase = p_phase WHERE name = p_mapping;
    PERFORM pgtandem.log_event(p_mapping, 'phase',
                               jsonb_build_object('from', v_from, 'to', p_phase));
END;
$$;
COMMENT ON FUNCTION pgtandem.set_phase(text, text) IS
    'Notes the phase that a deploy or revert script has reached.';

CREATE FUNCTION pgtandem.forget_mapping(p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
BEGIN
    IF v_mapping.phase <> 'expand' THEN
        RAISE EXCEPTION 'mapping "%" is still in phase %', p_mapping, v_mapping.phase
            USING ERRCODE = 'TD003',
                  HINT = format('Revert %s_%s first: sqitch revert --to %s_expand.',
                                p_mapping, v_mapping.phase, p_mapping);
    END IF;
    DELETE FROM pgtandem.mapping WHERE name = p_mapping;
    PERFORM pgtandem.log_event(p_mapping, 'forget', jsonb_build_object('hash', v_mapping.hash));
END;
$$;
COMMENT ON FUNCTION pgtandem.forget_mapping(text) IS
    'Removes a mapping with its chunks, queue and comparisons; its events stay. TD003 after '
    'expand.';

COMMIT;
