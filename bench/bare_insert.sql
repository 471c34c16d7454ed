-- The whole copy as one statement: what one runs in a maintenance window.
INSERT INTO gear_ops.gear_items
    (id, user_id, name, category, brand, created_at, status, role, updated_at)
SELECT id, user_id, name, type, brand, created_at, 'active', 'personal', created_at
FROM user_core.old_equipment;
