-- Deploy pgtandem:cohort to pg
-- requires: set_flag
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.add_cohort(text, text, text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._cohort_function(p_cohort text) RETURNS regprocedure
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN to_regprocedure(regexp_replace(p_cohort, '\s*\(text\)$', '') || '(text)');
EXCEPTION
    WHEN syntax_error OR invalid_name OR invalid_text_representation OR feature_not_supported THEN
        RETURN NULL;
END;
$$;
COMMENT ON FUNCTION pgtandem._cohort_function(text) IS
    'The function schema.name(text), as SQL writes its name; NULL where there is none.';

CREATE FUNCTION pgtandem._cohort(p_cohort text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_function regprocedure := pgtandem._cohort_function(p_cohort);
    v_owner    oid := (SELECT proowner FROM pg_proc
                       WHERE oid = 'pgtandem.enabled(text, text)'::regprocedure);
    v_proc     pg_proc;
    v_wrong    text;
BEGIN
    SELECT * INTO v_proc FROM pg_proc WHERE oid = v_function;
    IF NOT FOUND THEN
        v_wrong := 'There is no function of that name with one argument of type text.';
    ELSE
        v_wrong := concat_ws(' ',
            CASE WHEN v_proc.prorettype <> 'boolean'::regtype OR v_proc.proretset
                      OR v_proc.prokind <> 'f' THEN 'It does not return a boolean.' END,
            CASE WHEN v_proc.pronamespace = pg_my_temp_schema() THEN 'It is temporary.' END,
            CASE WHEN v_proc.provolatile = 'v' THEN 'It is VOLATILE.' END,
            CASE WHEN v_proc.proparallel <> 's' THEN 'It is not PARALLEL SAFE.' END,
            CASE WHEN v_proc.prosqlbody IS NULL
                      AND NOT coalesce(v_proc.proconfig::text LIKE '%search_path=%', false)
                 THEN 'It does not set its search_path.' END,
            CASE WHEN NOT pg_has_role(v_proc.proowner, v_owner, 'MEMBER')
                 THEN format('Its owner %s is no member of %s, with whose rights it would run.',
                             v_proc.proowner::regrole, v_owner::regrole) END,
            CASE WHEN NOT has_function_privilege(v_owner, v_function, 'EXECUTE')
                 THEN format('%s may not execute it.', v_owner::regrole) END);
    END IF;
    IF v_wrong <> '' THEN
        RAISE EXCEPTION '% cannot be a cohort', coalesce(p_cohort, 'NULL')
            USING ERRCODE = 'TD052',
                  DETAIL = v_wrong,
                  HINT = 'Name it with its schema: CREATE FUNCTION app.has_paid(p_user text) '
                         'RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SET search_path = '
                         'pg_catalog, pg_temp AS ...';
    END IF;
    RETURN format('%s.%I', v_proc.pronamespace::regnamespace, v_proc.proname);
END;
$$;
COMMENT ON FUNCTION pgtandem._cohort(text) IS
    'The name of a function that can be a cohort, with its schema, quoted where needed. TD052 '
    'where it cannot.';

CREATE FUNCTION pgtandem._bind_cohorts() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_cases text := (SELECT string_agg(format('WHEN %L THEN %s(p_user) ', c.name,
                                              pgtandem._cohort(c.name)), '' ORDER BY c.name)
                     FROM (SELECT DISTINCT unnest(cohorts) FROM pgtandem.flag) AS c (name));
BEGIN
    -- @plpgsql_check_options: security_warnings = off
    -- What is put in with %s pgtandem._cohort has quoted.
    EXECUTE 'CREATE OR REPLACE FUNCTION pgtandem._in_cohort(p_cohort text, p_user text) '
            'RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC SELECT '
            || coalesce('CASE p_cohort ' || v_cases || 'ELSE false END', 'false') || '; END';
END;
$$;
COMMENT ON FUNCTION pgtandem._bind_cohorts() IS
    'Writes pgtandem._in_cohort anew, with the functions that the flags have as cohorts. TD052 '
    'where one of them is no longer found or safe.';

CREATE FUNCTION pgtandem._unbind_cohorts() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_detail text;
BEGIN
    PERFORM pgtandem._bind_cohorts();
EXCEPTION
    WHEN SQLSTATE 'TD052' THEN
        GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
        RAISE WARNING '%: %', SQLERRM, v_detail
            USING HINT = 'Remove it from each flag that has it. Until then it works as before.';
END;
$$;
COMMENT ON FUNCTION pgtandem._unbind_cohorts() IS
    'The same after a cohort was taken away: what another one lacks only makes a warning.';

CREATE FUNCTION pgtandem._lock_cohorts() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'cohorts cannot be changed in a transaction that is %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'TD055',
                  DETAIL = 'It may not see the cohorts that another session has just added.',
                  HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('pgtandem cohorts', 0));
END;
$$;
COMMENT ON FUNCTION pgtandem._lock_cohorts() IS
    'Lets one transaction at a time change cohorts; nobody who reads flags waits. TD055 above READ '
    'COMMITTED.';

CREATE FUNCTION pgtandem.add_cohort(
    p_flag   text,
    p_cohort text,
    p_reason text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_cohort text;
BEGIN
    PERFORM pgtandem._lock_cohorts();
    PERFORM pgtandem._lock_flag(p_flag);
    v_cohort := pgtandem._cohort(p_cohort);
    UPDATE pgtandem.flag SET cohorts = cohorts || v_cohort
    WHERE name = p_flag AND NOT v_cohort = ANY (cohorts);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pgtandem._bind_cohorts();
    PERFORM pgtandem._note_flag(p_flag, 'cohort', v_cohort, NULL, 'in', p_reason);
    RETURN true;
END;
$$;
COMMENT ON FUNCTION pgtandem.add_cohort(text, text, text) IS
    'Lets a function say who else has a flag while it is at a percentage; false where it does '
    'already. TD050: no such flag. TD052: no such function, or not a safe one.';

CREATE FUNCTION pgtandem.remove_cohort(
    p_flag   text,
    p_cohort text,
    p_reason text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_flag   pgtandem.flag;
    v_cohort text;
BEGIN
    PERFORM pgtandem._lock_cohorts();
    v_flag := pgtandem._lock_flag(p_flag);
    -- By the name that the flag knows, as the function may have another one by now.
    v_cohort := CASE WHEN p_cohort = ANY (v_flag.cohorts) THEN p_cohort
                     ELSE (SELECT format('%s.%I', pronamespace::regnamespace, proname)
                           FROM pg_proc WHERE oid = pgtandem._cohort_function(p_cohort)) END;
    UPDATE pgtandem.flag SET cohorts = array_remove(cohorts, v_cohort)
    WHERE name = p_flag AND v_cohort = ANY (cohorts);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pgtandem._unbind_cohorts();
    PERFORM pgtandem._note_flag(p_flag, 'cohort', v_cohort, 'in', NULL, p_reason);
    RETURN true;
END;
$$;
COMMENT ON FUNCTION pgtandem.remove_cohort(text, text, text) IS
    'Takes a cohort from a flag; false where the flag does not have it. TD050: no such flag.';

CREATE FUNCTION pgtandem.drop_flag(p_flag text, p_reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_flag pgtandem.flag;
BEGIN
    PERFORM pgtandem._lock_cohorts();
    v_flag := pgtandem._lock_flag(p_flag);
    PERFORM pgtandem._note_flag(
        p_flag, 'state', NULL,
        CASE v_flag.state WHEN 'percentage' THEN v_flag.percentage || ' %' ELSE v_flag.state END,
        NULL, p_reason);
    DELETE FROM pgtandem.flag WHERE name = p_flag;
    PERFORM pgtandem._unbind_cohorts();
END;
$$;
COMMENT ON FUNCTION pgtandem.drop_flag(text, text) IS
    'Removes a flag with its lists and cohorts; its history stays. TD050: no such flag.';

COMMIT;
