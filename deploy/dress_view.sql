-- Deploy pgtandem:dress_view to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.dress_view(regclass, regclass)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._grants(p_relation regclass)
RETURNS TABLE (privilege text, grantee text, is_grantable boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT x.privilege_type || coalesce(' (' || quote_ident(g.attname) || ')', ''),
           CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
           x.is_grantable
    FROM pg_class AS c
    CROSS JOIN LATERAL (
        SELECT NULL AS attname, c.relacl AS acl
        UNION ALL
        SELECT a.attname, a.attacl FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS g
    CROSS JOIN LATERAL aclexplode(g.acl) AS x
    WHERE c.oid = p_relation AND x.grantee <> c.relowner
      AND x.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE');
$$;
COMMENT ON FUNCTION pgtandem._grants(regclass) IS
    'What others than its owner may do with a table or view, and with single columns of it.';

CREATE FUNCTION pgtandem._copy_grants(p_from regclass, p_to regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_owner text := (SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class
                     WHERE oid = p_to);
    v_item  record;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s comes from the catalogs: privileges, quoted names.
    FOR v_item IN
        SELECT * FROM pgtandem._grants(p_from) AS g WHERE g.grantee <> v_owner
        EXCEPT SELECT * FROM pgtandem._grants(p_to)
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s%s', v_item.privilege, p_to, v_item.grantee,
                       CASE WHEN v_item.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._copy_grants(regclass, regclass) IS
    'Grants on one relation what is granted on another.';

CREATE FUNCTION pgtandem._copy_comments(p_from regclass, p_to regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_item record;
BEGIN
    FOR v_item IN
        SELECT a.attname, col_description(p_from, a.attnum) AS said
        FROM pg_attribute AS a
        JOIN pg_attribute AS b ON b.attrelid = p_to AND b.attname = a.attname
        WHERE a.attrelid = p_from AND a.attnum > 0 AND NOT a.attisdropped
          AND col_description(p_from, a.attnum)
              IS DISTINCT FROM col_description(p_to, b.attnum)
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', p_to, v_item.attname, v_item.said);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem._copy_comments(regclass, regclass) IS
    'Gives the columns of one relation the comments of those of another.';

CREATE FUNCTION pgtandem.dress_view(p_table regclass, p_view regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_owner     regrole := (SELECT relowner FROM pg_class WHERE oid = p_table);
    v_inserters text := (SELECT string_agg(DISTINCT grantee, ', ') FROM pgtandem._grants(p_table)
                         WHERE privilege LIKE 'INSERT%');
    v_item      record;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s comes from the catalogs: expressions, quoted names.
    FOR v_item IN
        SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) AS value,
               pg_get_serial_sequence(p_table::text, a.attname) AS sequence
        FROM pg_attribute AS a
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
          AND (d.adbin IS NOT NULL OR a.attidentity <> '')
    LOOP
        EXECUTE format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', p_view, v_item.attname,
                       coalesce(v_item.value, format('nextval(%L)', v_item.sequence)));
        IF v_item.value IS NULL AND v_inserters IS NOT NULL THEN
            -- An identity asks for no right on its sequence, the default of a view does.
            EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %s', v_item.sequence, v_inserters);
        END IF;
    END LOOP;
    PERFORM pgtandem._copy_grants(p_table, p_view);
    PERFORM pgtandem._copy_comments(p_table, p_view);
    IF v_owner <> (SELECT relowner FROM pg_class WHERE oid = p_view) THEN
        -- The old application may own its table; foreign keys of it look there as its owner.
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s', p_view, v_owner);
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s',
                       (SELECT relnamespace::regnamespace FROM pg_class WHERE oid = p_table),
                       v_owner);
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.dress_view(regclass, regclass) IS
    'Gives a view the column defaults, comments and grants of the table that it stands for.';

CREATE FUNCTION pgtandem.undress_view(p_view regclass, p_table regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_owner text := (SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class
                     WHERE oid = p_view);
    v_item  record;
    v_left  text;
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s comes from the catalogs: privileges, quoted names.
    PERFORM pgtandem._copy_grants(p_view, p_table);
    FOR v_item IN
        SELECT t.privilege, t.grantee FROM pgtandem._grants(p_table) AS t
        WHERE t.grantee <> v_owner
        EXCEPT SELECT v.privilege, v.grantee FROM pgtandem._grants(p_view) AS v
    LOOP
        EXECUTE format('REVOKE %s ON %s FROM %s CASCADE', v_item.privilege, p_table,
                       v_item.grantee);
    END LOOP;
    PERFORM pgtandem._copy_comments(p_view, p_table);
    SELECT string_agg(format('%s %I', w.what, w.name), ', ') INTO v_left
    FROM (SELECT 'trigger' AS what, t.tgname AS name
          FROM pg_trigger AS t
          JOIN pg_proc AS p ON p.oid = t.tgfoid
          WHERE t.tgrelid = p_view AND p.pronamespace::regnamespace::text NOT LIKE 'pgtandem\_%'
          UNION ALL
          SELECT 'rule', rulename FROM pg_rewrite
          WHERE ev_class = p_view AND rulename <> '_RETURN') AS w;
    IF v_left IS NOT NULL THEN
        RAISE WARNING 'what was made on the view % goes with it: %', p_view, v_left;
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.undress_view(regclass, regclass) IS
    'Before a view is dropped: carries grants, revokes and comments of columns back to the table '
    'that it stood for, and warns of what goes with the view.';

COMMIT;
