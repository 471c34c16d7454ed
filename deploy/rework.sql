-- Deploy pgtandem:rework to pg
-- requires: chunk
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem._drop_rendered(regnamespace)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._drop_rendered(p_schema regnamespace) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_sql text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- The statements are made of names that regclass and regprocedure have quoted.
    FOR v_sql IN
        SELECT format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = p_schema AND t.tgparentid = 0 AND NOT t.tgisinternal
    LOOP
        EXECUTE v_sql;
    END LOOP;
    SELECT 'DROP ROUTINE ' || string_agg(oid::regprocedure::text, ', ') INTO v_sql
    FROM pg_proc WHERE pronamespace = p_schema;
    IF v_sql IS NOT NULL THEN
        EXECUTE v_sql;
    END IF;
    SELECT 'DROP VIEW ' || string_agg(oid::regclass::text, ', ') INTO v_sql
    FROM pg_class WHERE relnamespace = p_schema AND relkind = 'v';
    IF v_sql IS NOT NULL THEN
        EXECUTE v_sql;
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem._drop_rendered(regnamespace) IS
    'Drops what a mapping rendered, whatever the mapping was: triggers, routines, views of its '
    'schema.';

CREATE FUNCTION pgtandem.begin_rework(p_mapping text, p_tables regclass[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
    v_schema  regnamespace := format('pgtandem_%s', p_mapping)::regnamespace;
BEGIN
    IF v_mapping.phase = 'contract' THEN
        RAISE EXCEPTION 'mapping "%" is still in phase %', p_mapping, v_mapping.phase
            USING ERRCODE = 'TD003',
                  DETAIL = 'Its old table is an archive, which nothing keeps equal.',
                  HINT = format('Revert %s_contract first.', p_mapping);
    END IF;
    PERFORM pgtandem.lock_tables(
        p_tables || ARRAY(SELECT t FROM (
                              SELECT unnest(ARRAY[v_mapping.source, v_mapping.target])
                              UNION
                              SELECT t.tgrelid FROM pg_trigger AS t
                              JOIN pg_proc AS p ON p.oid = t.tgfoid
                              WHERE p.pronamespace = v_schema AND t.tgparentid = 0
                          ) AS former (t) WHERE t <> ALL (p_tables)),
        'ACCESS EXCLUSIVE');
    PERFORM pgtandem._drop_rendered(v_schema);
    PERFORM pgtandem.close_sync(p_mapping);
    PERFORM pgtandem.log_event(p_mapping, 'rework', jsonb_build_object('from', v_mapping.hash));
END;
$$;
COMMENT ON FUNCTION pgtandem.begin_rework(text, regclass[]) IS
    'First step from one form of a mapping to another, in one transaction: locks the tables of '
    'both (TD004), drops what the former rendered, forgets its chunks and queue, which the new '
    'copy covers. TD003 after contract.';

COMMIT;
