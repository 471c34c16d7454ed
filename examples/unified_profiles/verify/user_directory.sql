-- Verify unified_profiles:user_directory on pg
--
-- Raises where the view still reads a column that contract would take.

DO $$
DECLARE
    v_columns text;
BEGIN
    SELECT string_agg(a.attname, ', ' ORDER BY a.attnum)
      INTO v_columns
      FROM pg_catalog.pg_rewrite AS r
      JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refobjid = 'vibelife.vibe_users'::regclass
      JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE r.ev_class = 'vibelife.user_directory'::regclass
       AND a.attname IN ('display_name', 'email', 'deleted_at');
    IF v_columns IS NOT NULL THEN
        RAISE EXCEPTION 'vibelife.user_directory still reads columns of vibelife.vibe_users'
            USING ERRCODE = 'dependent_objects_still_exist', DETAIL = v_columns;
    END IF;
END;
$$;
