-- Verify gear:gear_tables on pg
--
-- Each statement raises where something is missing.

BEGIN;

SELECT id, user_id, name, category, brand, status, role, created_at, updated_at
  FROM gear_ops.gear_items
 WHERE false;

SELECT id, gear_item_id, inspected_at, inspector, result, notes, next_due
  FROM gear_ops.gear_inspections
 WHERE false;

SELECT id, gear_item_id, kind, due_at, sent_at, dismissed_at, created_at
  FROM gear_ops.gear_reminders
 WHERE false;

DO $$
DECLARE
    v_wrong text;
BEGIN
    SELECT string_agg(i.name, ', ' ORDER BY i.name)
      INTO v_wrong
      FROM (VALUES ('gear_items_pkey'), ('gear_items_user_id_idx'), ('gear_items_for_sale_idx'),
                   ('gear_inspections_pkey'), ('gear_inspections_item_idx'),
                   ('gear_inspections_next_due_idx'), ('gear_reminders_pkey'),
                   ('gear_reminders_item_idx'), ('gear_reminders_due_idx')) AS i (name)
     WHERE NOT EXISTS (
               SELECT
                 FROM pg_catalog.pg_index AS x
                WHERE x.indexrelid = to_regclass('gear_ops.' || i.name)
                  AND x.indisvalid
           );
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'indexes are missing or invalid in schema gear_ops'
            USING ERRCODE = 'undefined_object', DETAIL = v_wrong;
    END IF;

    SELECT string_agg(c.name, ', ' ORDER BY c.name)
      INTO v_wrong
      FROM (VALUES ('gear_items_status_check'), ('gear_items_role_check'),
                   ('gear_inspections_gear_item_id_fkey'), ('gear_inspections_result_check'),
                   ('gear_reminders_gear_item_id_fkey'), ('gear_reminders_kind_check')) AS c (name)
     WHERE NOT EXISTS (
               SELECT
                 FROM pg_catalog.pg_constraint AS x
                WHERE x.connamespace = 'gear_ops'::regnamespace
                  AND x.conname = c.name
                  AND x.convalidated
           );
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'constraints are missing or not valid in schema gear_ops'
            USING ERRCODE = 'undefined_object', DETAIL = v_wrong;
    END IF;
END;
$$;

ROLLBACK;
