-- Deploy gear:gear_tables to pg
-- requires: pgtandem:event pgtandem:lock_tables (for its revert)
--
-- The new system's tables, empty: items (which will come from user_core.old_equipment), and
-- inspections and reminders, which the old system never had.
--
-- Locks nothing that exists. The foreign key from gear_items to user_core.users is missing on
-- purpose: it would be checked for every row that the backfill copies, with a lock on the user's
-- row each time. It comes after the backfill, in gear_items_user_fkey.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('gear_ops.gear_items') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

CREATE SCHEMA gear_ops;
COMMENT ON SCHEMA gear_ops IS 'The new system: items of gear, their inspections and reminders.';

CREATE TABLE gear_ops.gear_items (
    id         uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id    uuid         NOT NULL,
    name       varchar(200) NOT NULL,
    category   varchar(50),
    brand      varchar(100),
    status     varchar(20)  NOT NULL DEFAULT 'active',
    role       varchar(20)  NOT NULL DEFAULT 'personal',
    created_at timestamptz  NOT NULL DEFAULT now(),
    updated_at timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT gear_items_status_check
        CHECK (status IN ('active', 'maintenance', 'for_sale', 'sold', 'lost', 'retired')),
    CONSTRAINT gear_items_role_check
        CHECK (role IN ('personal', 'shared', 'rental'))
);
CREATE INDEX gear_items_user_id_idx ON gear_ops.gear_items (user_id);
CREATE INDEX gear_items_for_sale_idx ON gear_ops.gear_items (category, created_at)
 WHERE status = 'for_sale';
COMMENT ON TABLE gear_ops.gear_items IS
    'One row for each item of gear; was user_core.old_equipment.';
COMMENT ON INDEX gear_ops.gear_items_user_id_idx IS 'A user''s gear, and the cascade from users.';
COMMENT ON INDEX gear_ops.gear_items_for_sale_idx IS
    'The marketplace: what is for sale, by category.';
COMMENT ON COLUMN gear_ops.gear_items.id IS 'The key that the item had in the old system.';
COMMENT ON COLUMN gear_ops.gear_items.user_id IS
    'The owner, user_core.users; gear goes with its owner.';
COMMENT ON COLUMN gear_ops.gear_items.name IS
    'As the owner wrote it: any text, not unique, may be empty.';
COMMENT ON COLUMN gear_ops.gear_items.category IS 'Free text; type in the old system.';
COMMENT ON COLUMN gear_ops.gear_items.brand IS 'Free text.';
COMMENT ON COLUMN gear_ops.gear_items.status IS
    'Where the item is in its life; new with this system, active for what came from the old one.';
COMMENT ON COLUMN gear_ops.gear_items.role IS
    'Whose use the item is for; new with this system, personal for what came from the old one.';
COMMENT ON COLUMN gear_ops.gear_items.created_at IS 'When the row was made, in either system.';
COMMENT ON COLUMN gear_ops.gear_items.updated_at IS
    'When the new system last wrote the row; created_at for what came from the old one.';

CREATE TABLE gear_ops.gear_inspections (
    id           bigint       GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gear_item_id uuid         NOT NULL
        REFERENCES gear_ops.gear_items (id) ON DELETE CASCADE ON UPDATE CASCADE,
    inspected_at timestamptz  NOT NULL DEFAULT now(),
    inspector    varchar(200) NOT NULL,
    result       varchar(20)  NOT NULL,
    notes        text,
    next_due     date,
    CONSTRAINT gear_inspections_result_check
        CHECK (result IN ('passed', 'passed_with_notes', 'failed'))
);
CREATE INDEX gear_inspections_item_idx
    ON gear_ops.gear_inspections (gear_item_id, inspected_at DESC);
CREATE INDEX gear_inspections_next_due_idx
    ON gear_ops.gear_inspections (next_due)
 WHERE next_due IS NOT NULL;
COMMENT ON TABLE gear_ops.gear_inspections IS
    'One row for each inspection of an item; has no past.';
COMMENT ON INDEX gear_ops.gear_inspections_item_idx IS
    'The latest inspections of an item, and the cascade from gear_items.';
COMMENT ON INDEX gear_ops.gear_inspections_next_due_idx IS 'What is due, by day.';
COMMENT ON COLUMN gear_ops.gear_inspections.id IS 'Surrogate key.';
COMMENT ON COLUMN gear_ops.gear_inspections.gear_item_id IS 'The item inspected.';
COMMENT ON COLUMN gear_ops.gear_inspections.inspected_at IS 'When it was inspected.';
COMMENT ON COLUMN gear_ops.gear_inspections.inspector IS 'Who inspected it, as written.';
COMMENT ON COLUMN gear_ops.gear_inspections.result IS 'What the inspection found.';
COMMENT ON COLUMN gear_ops.gear_inspections.notes IS 'What else the inspector wrote.';
COMMENT ON COLUMN gear_ops.gear_inspections.next_due IS
    'Day of the next inspection; NULL for none.';

CREATE TABLE gear_ops.gear_reminders (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gear_item_id uuid        NOT NULL
        REFERENCES gear_ops.gear_items (id) ON DELETE CASCADE ON UPDATE CASCADE,
    kind         varchar(20) NOT NULL,
    due_at       timestamptz NOT NULL,
    sent_at      timestamptz,
    dismissed_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT gear_reminders_kind_check
        CHECK (kind IN ('inspection', 'maintenance', 'replacement', 'custom'))
);
CREATE INDEX gear_reminders_item_idx ON gear_ops.gear_reminders (gear_item_id);
CREATE INDEX gear_reminders_due_idx ON gear_ops.gear_reminders (due_at)
 WHERE sent_at IS NULL AND dismissed_at IS NULL;
COMMENT ON TABLE gear_ops.gear_reminders IS 'One row for each reminder about an item; has no past.';
COMMENT ON INDEX gear_ops.gear_reminders_item_idx IS
    'An item''s reminders, and the cascade from gear_items.';
COMMENT ON INDEX gear_ops.gear_reminders_due_idx IS 'What is still to be sent, in order.';
COMMENT ON COLUMN gear_ops.gear_reminders.id IS 'Surrogate key.';
COMMENT ON COLUMN gear_ops.gear_reminders.gear_item_id IS 'The item to remember.';
COMMENT ON COLUMN gear_ops.gear_reminders.kind IS 'What it reminds of.';
COMMENT ON COLUMN gear_ops.gear_reminders.due_at IS 'When to send it.';
COMMENT ON COLUMN gear_ops.gear_reminders.sent_at IS 'When it was sent; NULL until then.';
COMMENT ON COLUMN gear_ops.gear_reminders.dismissed_at IS
    'When the user put it away; NULL until then.';
COMMENT ON COLUMN gear_ops.gear_reminders.created_at IS 'When the row was made.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'new_app') THEN
        GRANT USAGE ON SCHEMA gear_ops TO new_app;
        GRANT SELECT, INSERT, UPDATE, DELETE
           ON gear_ops.gear_items, gear_ops.gear_inspections, gear_ops.gear_reminders TO new_app;
    END IF;
END;
$$;

COMMIT;
