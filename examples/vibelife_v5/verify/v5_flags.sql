-- Verify vibelife_v5:v5_flags on pg
--
-- Raises where a flag or a cohort is missing.

DO $$
DECLARE
    v_wrong text;
BEGIN
    SELECT string_agg(f.name, ', ')
      INTO v_wrong
      FROM (VALUES ('v5_rituals'), ('v5_memory'), ('v5_prism'), ('v5_journey'),
                   ('v5_subscription')) AS f (name)
     WHERE NOT EXISTS (SELECT FROM pgtandem.flag AS x WHERE x.name = f.name);
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'flags are missing' USING ERRCODE = 'undefined_object', DETAIL = v_wrong;
    END IF;

    SELECT string_agg(f.name, ', ')
      INTO v_wrong
      FROM (VALUES ('has_paid'), ('is_active'), ('is_new')) AS f (name)
     WHERE to_regprocedure(format('vibelife.%I(text)', f.name)) IS NULL;
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'cohorts are missing in schema vibelife'
            USING ERRCODE = 'undefined_function', DETAIL = v_wrong;
    END IF;
END;
$$;
