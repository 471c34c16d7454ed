-- Deploy gear:gear_items_user_fkey to pg
-- requires: gear_backfill pgtandem:lock_tables
--
-- The foreign key from gear_items to users, now that the backfill has nothing left to copy. Two
-- transactions on purpose, so that the long part holds the short lock of neither:
--
--   1. ADD ... NOT VALID: SHARE ROW EXCLUSIVE on both tables, for an instant, in bounded tries;
--      writers wait that long. From here on every new row is checked.
--   2. VALIDATE: SHARE UPDATE EXCLUSIVE on gear_items and ROW SHARE on users, for one scan; readers
--      and writers of both go on. An item without its user fails it with 23503 and the key: drain
--      the mapping's queue ("pgtandem drain gear"), deploy again.
--
-- Running it again after a failure goes on where it stopped.
--
-- ON DELETE CASCADE is what old_equipment does: deleting a user deletes the item on both sides,
-- whichever cascade comes first. Without it, a user who has gear could not be deleted any more.

BEGIN ISOLATION LEVEL READ COMMITTED;

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(
        ARRAY['user_core.users', 'gear_ops.gear_items']::regclass[],
        'SHARE ROW EXCLUSIVE'
    );
    IF NOT EXISTS (
        SELECT
          FROM pg_catalog.pg_constraint
         WHERE conrelid = 'gear_ops.gear_items'::regclass
           AND conname = 'gear_items_user_fkey'
    ) THEN
        ALTER TABLE gear_ops.gear_items
            ADD CONSTRAINT gear_items_user_fkey
            FOREIGN KEY (user_id) REFERENCES user_core.users (id) ON DELETE CASCADE NOT VALID;
        COMMENT ON CONSTRAINT gear_items_user_fkey ON gear_ops.gear_items IS
            'An item belongs to a user and goes with the user.';
    END IF;
END;
$$;

COMMIT;

BEGIN ISOLATION LEVEL READ COMMITTED;

-- Longer than deadlock_timeout, so that an autovacuum in the way is sent off. Nobody but VACUUM and
-- DDL queues behind this lock.
SET LOCAL lock_timeout = '30s';

ALTER TABLE gear_ops.gear_items VALIDATE CONSTRAINT gear_items_user_fkey;

COMMIT;
