-- Deploy pgtandem:control to pg
-- requires: backfill
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.pause(text, text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem.pause(p_mapping text, p_reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mapping pgtandem.mapping := pgtandem.mapping_of(p_mapping);
BEGIN
    IF v_mapping.copy_state <> 'open' THEN
        RAISE EXCEPTION 'mapping "%" has no backfill to pause', p_mapping
            USING ERRCODE = 'TD007',
                  DETAIL = format('Its copy is %s, its phase %s.', v_mapping.copy_state,
                                  v_mapping.phase),
                  HINT = 'Only a copy that is open can wait. Nothing was changed.';
    END IF;
    UPDATE pgtandem.mapping SET paused_by = session_user WHERE name = p_mapping;
    PERFORM pgtandem.log_event(p_mapping, 'pause', '{}', p_reason);
END;
$$;
COMMENT ON FUNCTION pgtandem.pause(text, text) IS
    'Lets every worker of a backfill wait after its present chunk, until resume. TD007 where no '
    'copy is open.';

CREATE FUNCTION pgtandem.resume(p_mapping text, p_reason text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pgtandem.mapping_of(p_mapping);
    UPDATE pgtandem.mapping SET paused_by = NULL
    WHERE name = p_mapping AND paused_by IS NOT NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pgtandem.log_event(p_mapping, 'resume', '{}', p_reason);
    RETURN true;
END;
$$;
COMMENT ON FUNCTION pgtandem.resume(text, text) IS
    'Lets a paused backfill go on; false where it was not paused.';

CREATE FUNCTION pgtandem.retry(p_mapping text, p_reason text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    PERFORM pgtandem.mapping_of(p_mapping);
    UPDATE pgtandem.recheck
    SET attempts = 0, not_before = '-infinity'
    WHERE mapping = p_mapping AND attempts > 0;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    PERFORM pgtandem.log_event(p_mapping, 'retry', jsonb_build_object('entries', v_count),
                               p_reason);
    RETURN v_count;
END;
$$;
COMMENT ON FUNCTION pgtandem.retry(text, text) IS
    'Makes every entry that failed before due at once, and returns their number; drain tries them.';

COMMIT;
