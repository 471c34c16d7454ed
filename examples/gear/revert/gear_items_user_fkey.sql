-- Revert gear:gear_items_user_fkey from pg
--
-- Loses no row. Locks users and gear_items ACCESS EXCLUSIVE for an instant, in bounded tries.

BEGIN ISOLATION LEVEL READ COMMITTED;

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(
        ARRAY['user_core.users', 'gear_ops.gear_items']::regclass[],
        'ACCESS EXCLUSIVE'
    );
    -- Killed after the commit, before Sqitch noted it, it may run again.
    ALTER TABLE gear_ops.gear_items DROP CONSTRAINT IF EXISTS gear_items_user_fkey;
END;
$$;

COMMIT;
