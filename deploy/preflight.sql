-- Deploy pgtandem:preflight to pg
-- requires: fit
-- requires: health
-- requires: contract
-- requires: gate
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._check_values(pgtandem.mapping, bigint, integer)') IS NOT NULL
    AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._next_phase(p_mapping pgtandem.mapping) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN p_mapping.phase = 'expand' THEN 'sync'
                WHEN p_mapping.phase = 'sync' OR p_mapping.copy_state <> 'complete' THEN 'backfill'
                WHEN p_mapping.phase = 'backfill' THEN 'contract'
                ELSE 'none' END;
$$;
COMMENT ON FUNCTION pgtandem._next_phase(pgtandem.mapping) IS
    'The phase that a mapping comes to next: sync, backfill, contract or none.';

CREATE FUNCTION pgtandem._check_privileges(p_mapping pgtandem.mapping)
RETURNS TABLE (name text, state text, figure text, todo text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_next    text := pgtandem._next_phase(p_mapping);
    v_archive text := pgtandem._setting(p_mapping.settings, 'contract', 'archive',
                                        'pgtandem_archive');
    v_schema  text := format('pgtandem_%s', p_mapping.name);
BEGIN
    name := 'privileges';
    SELECT string_agg(n.need, ', '), string_agg(n.cure, E'\n') INTO figure, todo
    FROM (
        SELECT format('to own %s', t), format('GRANT %I TO %I;', r.rolname, current_user::text)
        FROM unnest(ARRAY[p_mapping.source, p_mapping.target]) AS t
        JOIN pg_class AS c ON c.oid = t
        JOIN pg_roles AS r ON r.oid = c.relowner
        WHERE v_next <> 'none' AND NOT pg_has_role(c.relowner, 'USAGE')
        UNION
        SELECT format('CREATE on schema %I', s.nspname),
               format('GRANT CREATE ON SCHEMA %I TO %I;', s.nspname, current_user::text)
        FROM pg_namespace AS s
        WHERE NOT has_schema_privilege(s.oid, 'CREATE')
          AND (s.nspname = v_schema
               OR v_next = 'contract' AND s.nspname = v_archive
               -- The view that takes the place of the old table.
               OR v_next = 'contract' AND p_mapping.settings #> '{contract,columns,0}' IS NULL
                  AND s.oid = (SELECT relnamespace FROM pg_class WHERE oid = p_mapping.source))
        UNION
        SELECT format('CREATE on database %I, for schema %I', current_database()::text, v_archive),
               format('GRANT CREATE ON DATABASE %I TO %I;', current_database()::text,
                      current_user::text)
        WHERE v_next = 'contract' AND to_regnamespace(format('%I', v_archive)) IS NULL
          AND NOT has_database_privilege(current_database(), 'CREATE')
    ) AS n (need, cure);
    state := CASE WHEN figure IS NULL THEN 'pass' ELSE 'fail' END;
    figure := CASE WHEN figure IS NULL THEN format('%s may go on', current_user)
                   ELSE format('%s lacks: %s', current_user, figure) END;
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION pgtandem._check_privileges(pgtandem.mapping) IS
    'What the current role lacks for the next phase, with the GRANTs.';

CREATE FUNCTION pgtandem._raised(p_statement text) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_message text;
    v_detail  text;
    v_hint    text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    EXECUTE p_statement;
    RETURN NULL;
EXCEPTION
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL,
                                v_hint = PG_EXCEPTION_HINT;
        IF SQLSTATE NOT LIKE 'TD%' THEN
            RAISE;
        END IF;
        RETURN ARRAY[concat_ws(': ', v_message, nullif(v_detail, '')), v_hint];
END;
$$;
COMMENT ON FUNCTION pgtandem._raised(text) IS
    'What a statement that insists on something says of it, and its hint; NULL: it is satisfied.';

CREATE FUNCTION pgtandem._check_tables(p_mapping pgtandem.mapping)
RETURNS TABLE (name text, state text, figure text, todo text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tables regclass[] := ARRAY(SELECT DISTINCT t FROM unnest(ARRAY[
                               p_mapping.source, p_mapping.target]) AS t);
    v_check  record;
    v_raised text[];
BEGIN
    FOR v_check IN
        SELECT 'unique_key' AS name, format('SELECT pgtandem.require_unique(%s, %L)',
                   p_mapping.target::oid, p_mapping.key) AS statement,
               format('%s has one on (%s)', p_mapping.target,
                      array_to_string(p_mapping.key, ', ')) AS good
        UNION ALL
        SELECT 'deferrable', format('SELECT pgtandem.require_immediate(%s)', p_mapping.target::oid),
               'no constraint of the target waits for the commit'
        WHERE pgtandem._setting(p_mapping.settings, 'sync', 'mode', 'record') = 'record'
          AND p_mapping.source <> p_mapping.target
        UNION ALL
        SELECT 'row_security',
               string_agg(format('SELECT pgtandem.require_all_rows(%s)', t::oid), '; '),
               'hides no row'
        FROM unnest(v_tables) AS t
    LOOP
        name := v_check.name;
        v_raised := pgtandem._raised(v_check.statement);
        state := CASE WHEN v_raised IS NULL THEN 'pass' ELSE 'fail' END;
        figure := coalesce(v_raised[1], v_check.good);
        todo := v_raised[2];
        RETURN NEXT;
    END LOOP;

    name := 'invalid_indexes';
    SELECT string_agg(format('%s of %s', x.indexrelid::regclass, x.indrelid::regclass), ', '),
           string_agg(format('REINDEX INDEX CONCURRENTLY %s;', x.indexrelid::regclass), E'\n')
    INTO figure, todo
    FROM pg_index AS x
    WHERE NOT x.indisvalid
      AND x.indrelid IN (SELECT r FROM unnest(v_tables) AS t, pgtandem._relations(t) AS r);
    state := CASE WHEN figure IS NULL THEN 'pass' ELSE 'fail' END;
    figure := coalesce(figure, 'none');
    RETURN NEXT;

    name := 'triggers';
    SELECT string_agg(format('%I of %s', t.tgname, t.tgrelid::regclass), ', ' ORDER BY t.tgname)
    INTO figure
    FROM pg_trigger AS t
    JOIN pg_proc AS p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgparentid = 0
      AND (t.tgrelid = p_mapping.target OR t.tgrelid = p_mapping.source
           AND pgtandem._setting(p_mapping.settings, 'sync', 'ways', 'both') = 'both')
      AND p.pronamespace NOT IN (SELECT n.oid FROM pg_namespace AS n
                                 JOIN pgtandem.mapping AS m ON n.nspname = 'pgtandem_' || m.name);
    state := CASE WHEN figure IS NULL THEN 'pass' ELSE 'warn' END;
    figure := coalesce(figure, 'none of the application''s own would fire');
    todo := 'They fire for each row that is copied or synced: see that they send no mail and set '
            'no column that the mapping sets.';
    RETURN NEXT;

    name := 'sequences';
    SELECT string_agg(c.detail, '; ') INTO figure
    FROM pgtandem._colliding(p_mapping.name) AS c WHERE c.figure > 0;
    state := CASE WHEN figure IS NULL THEN 'pass' ELSE 'warn' END;
    figure := coalesce(figure, 'none of the target''s own gives taken keys');
    todo := 'Before the new application writes, let both draw from the same one: '
            'docs/operations.md, Sequences.';
    RETURN NEXT;

    name := 'autovacuum_of_tables';
    SELECT string_agg(c.oid::regclass::text, ', '),
           string_agg(format('ALTER TABLE %s RESET (autovacuum_enabled);', c.oid::regclass), E'\n')
    INTO figure, todo
    FROM pg_class AS c
    CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
    WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean
      AND c.oid IN (SELECT r FROM unnest(v_tables) AS t, pgtandem._relations(t) AS r);
    state := CASE WHEN figure IS NULL THEN 'pass' ELSE 'warn' END;
    figure := coalesce('switched off for ' || figure, 'on for both tables');
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION pgtandem._check_tables(pgtandem.mapping) IS
    'Indexes, constraints, triggers, sequences and options of both tables.';

CREATE FUNCTION pgtandem._check_values(
    p_mapping   pgtandem.mapping,
    p_free_disk bigint,
    p_rows      integer
) RETURNS TABLE (name text, state text, figure text, todo text, wal_bytes numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_fit   record;
    v_left  numeric := 1 - coalesce((SELECT p.percent / 100 FROM pgtandem.progress AS p
                                     WHERE p.mapping = p_mapping.name), 0);
BEGIN
    SELECT * INTO v_fit FROM pgtandem.fit(p_mapping.name, p_rows);
    name := 'values';
    state := CASE WHEN v_fit.failing > 0 OR v_fit.stopped THEN 'fail' ELSE 'pass' END;
    figure := format('%s of about %s rows tried, %s%s would fail', v_fit.tried, v_fit.source_rows,
                     CASE WHEN v_fit.stopped THEN 'at least ' ELSE '' END, v_fit.failing)
              || coalesce(': ' || (
                  SELECT string_agg(format('%s %s%s (%s, for example %s)', f ->> 'sqlstate',
                             f ->> 'message', coalesce(', ' || (f ->> 'place'), ''), f ->> 'rows',
                             f ->> 'example'), '; ')
                  FROM jsonb_array_elements(v_fit.failures) AS f), '');
    todo := 'Mend these rows, the mapping, or the target''s column: SELECT failures FROM '
            || format('pgtandem.fit(%L);', p_mapping.name);
    RETURN NEXT;

    name := 'duplicates';
    state := CASE WHEN v_fit.duplicates > 0 THEN 'fail' ELSE 'pass' END;
    figure := format('%s of these images break a unique index of %s', v_fit.duplicates,
                     p_mapping.target);
    todo := 'Two rows of the source become one, or share a value: mend them, or drop that index.';
    RETURN NEXT;

    name := 'references';
    state := CASE WHEN v_fit.orphans = '[]' THEN 'pass' ELSE 'fail' END;
    figure := coalesce((SELECT string_agg(format('%s: %s refer to no row of %s', o ->> 'name',
                                  o ->> 'orphans', o ->> 'refers_to'), '; ')
                        FROM jsonb_array_elements(v_fit.orphans) AS o), 'each finds its row');
    todo := 'Copy the tables they refer to first, or add the foreign keys after the backfill '
            '(NOT VALID, then VALIDATE).';
    RETURN NEXT;

    RETURN QUERY SELECT d.* FROM pgtandem._check_disk(
        v_left * v_fit.table_bytes, v_left * v_fit.index_bytes, p_free_disk) AS d;
END;
$$;
COMMENT ON FUNCTION pgtandem._check_values(pgtandem.mapping, bigint, integer) IS
    'Whether the target can take the images (pgtandem.fit), and the disk that they will take; '
    'wal_bytes in the last row.';

CREATE FUNCTION pgtandem.preflight(
    p_mapping         text,
    p_backup_at       timestamptz DEFAULT NULL,
    p_free_disk       bigint DEFAULT NULL,
    p_rows            integer DEFAULT 10000,
    p_max_transaction interval DEFAULT '5 minutes'
) RETURNS TABLE (name text, state text, figure text, todo text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_next    text := pgtandem._next_phase(v_mapping);
    v_value   record;
    v_raised  text[];
    v_wal     numeric;
BEGIN
    IF p_free_disk < 0 OR p_max_transaction <= interval '0' THEN
        RAISE EXCEPTION 'free disk and the longest transaction cannot be negative, or no time'
            USING ERRCODE = 'TD070',
                  DETAIL = format('Free disk %s, longest transaction %s.', p_free_disk,
                                  p_max_transaction),
                  HINT = 'Give bytes, and an interval over zero.';
    END IF;
    RETURN QUERY SELECT 'phase', 'pass', format('%s, copy %s; next: %s', v_mapping.phase,
                                                v_mapping.copy_state, v_next), NULL;
    RETURN QUERY SELECT c.name, c.state, c.figure, CASE WHEN c.state <> 'pass' THEN c.todo END
    FROM pgtandem._check_backup(p_backup_at) AS c;
    IF v_next IN ('sync', 'backfill') AND v_mapping.copy_state <> 'complete' THEN
        BEGIN
            FOR v_value IN SELECT * FROM pgtandem._check_values(v_mapping, p_free_disk, p_rows) LOOP
                name := v_value.name;
                state := v_value.state;
                figure := v_value.figure;
                todo := CASE WHEN state <> 'pass' THEN v_value.todo END;
                v_wal := v_value.wal_bytes;
                RETURN NEXT;
            END LOOP;
        EXCEPTION
            WHEN insufficient_privilege THEN
                name := 'values';
                state := 'fail';
                figure := 'not tried: ' || SQLERRM;
                todo := format('GRANT TEMPORARY ON DATABASE %I TO %I; and let it read both tables.',
                               current_database()::text, current_user::text);
                RETURN NEXT;
        END;
    ELSIF v_next = 'contract' THEN
        v_raised := pgtandem._raised(format('SELECT pgtandem.require_proven(%L)', p_mapping));
        RETURN QUERY SELECT 'contract', CASE WHEN v_raised IS NULL THEN 'pass' ELSE 'fail' END,
                            coalesce(v_raised[1], 'it is proven'), v_raised[2];
        -- Its table moves; columns are copied to the archive, no more than all that there is.
        RETURN QUERY
        SELECT d.name, d.state, d.figure, CASE WHEN d.state <> 'pass' THEN d.todo END
        FROM (SELECT sum(pg_table_size(l)) AS bytes
              FROM pgtandem._leaves(v_mapping.source) AS l) AS s
        CROSS JOIN LATERAL pgtandem._check_disk(s.bytes, 0, p_free_disk) AS d
        WHERE v_mapping.settings #> '{contract,columns,0}' IS NOT NULL;
    END IF;
    RETURN QUERY SELECT c.name, c.state, c.figure, CASE WHEN c.state <> 'pass' THEN c.todo END
    FROM (SELECT * FROM pgtandem._check_replication(v_mapping.settings)
          UNION ALL SELECT * FROM pgtandem._check_transactions(p_max_transaction)
          UNION ALL SELECT * FROM pgtandem._check_blockers(
              p_mapping, CASE v_next WHEN 'contract' THEN 'ACCESS EXCLUSIVE'
                                     ELSE 'SHARE ROW EXCLUSIVE' END, p_max_transaction)
          WHERE v_next <> 'none'
          UNION ALL SELECT * FROM pgtandem._check_privileges(v_mapping)
          UNION ALL SELECT * FROM pgtandem._check_tables(v_mapping) WHERE v_next <> 'none'
          UNION ALL SELECT * FROM pgtandem._check_settings(v_mapping, v_wal)) AS c;
END;
$$;
COMMENT ON FUNCTION pgtandem.preflight(text, timestamptz, bigint, integer, interval) IS
    'What has to be so before the next phase of a mapping: pass, warn or fail, the figure, and '
    'what to do. p_backup_at: when the last backup was made. p_free_disk: bytes. p_rows: how many '
    'rows to try on copies of the target, NULL: all. p_max_transaction: an older one fails. Makes '
    'temporary tables; changes nothing. TD001, TD070, TD071.';

COMMIT;
