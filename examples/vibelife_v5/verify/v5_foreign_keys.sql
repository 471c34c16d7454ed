-- Verify vibelife_v5:v5_foreign_keys on pg
--
-- Raises where a new table has no foreign key to vibe_users, or not one that cascades.

DO $$
DECLARE
    v_wrong text;
BEGIN
    SELECT string_agg(t.name, ', ')
      INTO v_wrong
      FROM (VALUES ('user_preferences'), ('identity_prism'), ('dimension_profiles'),
                   ('user_memories'), ('life_events'), ('daily_rituals'), ('user_entitlements'),
                   ('push_subscriptions')) AS t (name)
     WHERE NOT EXISTS (
               SELECT
                 FROM pg_catalog.pg_constraint
                WHERE conrelid = to_regclass('vibelife.' || t.name)
                  AND confrelid = 'vibelife.vibe_users'::regclass
                  AND conname = t.name || '_user_fkey'
                  AND (confdeltype, confupdtype) = ('c', 'c')
           );
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'foreign keys to vibelife.vibe_users are missing'
            USING ERRCODE = 'undefined_object', DETAIL = v_wrong;
    END IF;
END;
$$;
