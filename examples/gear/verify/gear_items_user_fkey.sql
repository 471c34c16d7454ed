-- Verify gear:gear_items_user_fkey on pg
--
-- Raises where the constraint is missing or was never validated.

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT
          FROM pg_catalog.pg_constraint
         WHERE conrelid = 'gear_ops.gear_items'::regclass
           AND confrelid = 'user_core.users'::regclass
           AND conname = 'gear_items_user_fkey'
           AND convalidated
    ) THEN
        RAISE EXCEPTION 'constraint gear_items_user_fkey is missing or not validated'
            USING ERRCODE = 'undefined_object',
                  HINT = 'Deploy again: "sqitch deploy" goes on where it stopped.';
    END IF;
END;
$$;
