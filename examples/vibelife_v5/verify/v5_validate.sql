-- Verify vibelife_v5:v5_validate on pg
--
-- Raises where a foreign key was never validated.

DO $$
DECLARE
    v_wrong text;
BEGIN
    SELECT string_agg(conname, ', ' ORDER BY conname)
      INTO v_wrong
      FROM pg_catalog.pg_constraint
     WHERE connamespace = 'vibelife'::regnamespace
       AND confrelid = 'vibelife.vibe_users'::regclass
       AND contype = 'f'
       AND NOT convalidated;
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'foreign keys to vibelife.vibe_users are not validated'
            USING ERRCODE = 'undefined_object',
                  DETAIL = v_wrong,
                  HINT = 'Deploy again: "sqitch deploy" goes on where it stopped.';
    END IF;
END;
$$;
