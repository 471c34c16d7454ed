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
BEGIN
    PERFORM pgtandem.mapping_of(p_mapping);
    UPDATE pgtandem.mapping SET paused_by = session_user WHERE name = p_mapping;
    PERFORM pgtandem.log_event(p_mapping, 'pause', '{}', p_reason);
END;
$$;
COMMENT ON FUNCTION pgtandem.pause(text, text) IS
    'Lets every worker of a backfill wait after its present chunk, until resume.';

CREATE FUNCTION pgtandem.resume(p_mapping text, p_reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pgtandem.mapping_of(p_mapping);
    UPDATE pgtandem.mapping SET paused_by = NULL WHERE name = p_mapping;
    PERFORM pgtandem.log_event(p_mapping, 'resume', '{}', p_reason);
END;
$$;
COMMENT ON FUNCTION pgtandem.resume(text, text) IS 'Lets a paused backfill go on.';

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
