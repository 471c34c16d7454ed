-- Revert gear:gear_tables from pg
--
-- Refuses (TD901) while rows would be lost that exist nowhere else: inspections, reminders, and
-- items that user_core.old_equipment does not hold with the same values, or whose status or role
-- the new system has set. (Of updated_at alone nothing is lost but the time.) To drop them all the
-- same, save them and say so by name:
--
--     PGOPTIONS="-c pgtandem.drop_data=gear_tables" sqitch revert
--
-- Locks the three tables ACCESS EXCLUSIVE, in bounded tries, while it looks: one scan of gear_items
-- and old_equipment. At this point no trigger leads to them, so the old system waits for nothing.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regnamespace('gear_ops') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    v_allowed     boolean := coalesce(current_setting('pgtandem.drop_data', true) = 'gear_tables',
                                      false);
    v_items       bigint;
    v_inspections bigint;
    v_reminders   bigint;
BEGIN
    PERFORM pgtandem.lock_tables(
        ARRAY['gear_ops.gear_items', 'gear_ops.gear_inspections',
              'gear_ops.gear_reminders']::regclass[],
        'ACCESS EXCLUSIVE'
    );

    v_inspections := (SELECT count(*) FROM gear_ops.gear_inspections);
    v_reminders := (SELECT count(*) FROM gear_ops.gear_reminders);
    IF to_regclass('user_core.old_equipment') IS NULL THEN
        v_items := (SELECT count(*) FROM gear_ops.gear_items);
    ELSE
        SELECT count(*)
          INTO v_items
          FROM gear_ops.gear_items AS n
         WHERE (n.status, n.role) IS DISTINCT FROM ('active', 'personal')
            OR NOT EXISTS (
                   SELECT
                     FROM user_core.old_equipment AS o
                    WHERE o.id = n.id
                      AND (o.user_id, o.name, o.type, o.brand, o.created_at) IS NOT DISTINCT FROM
                          (n.user_id, n.name, n.category, n.brand, n.created_at)
               );
    END IF;

    IF v_items + v_inspections + v_reminders > 0 AND NOT v_allowed THEN
        RAISE EXCEPTION 'reverting gear_tables would destroy rows that exist nowhere else'
            USING ERRCODE = 'TD901',
                  DETAIL = format('gear_items: %s, gear_inspections: %s, gear_reminders: %s. The '
                                  'sync is off by now: what is written stays on its side.',
                                  v_items, v_inspections, v_reminders),
                  HINT = 'To sync again: sqitch deploy --to gear_sync. To drop them: save them '
                         '(pg_dump --schema=gear_ops), then allow it by name: '
                         'PGOPTIONS="-c pgtandem.drop_data=gear_tables" sqitch revert.';
    END IF;

    IF v_items + v_inspections + v_reminders > 0 THEN
        PERFORM pgtandem.log_event('gear', 'override', jsonb_build_object(
            'pgtandem.drop_data', 'gear_tables',
            'gear_items', v_items,
            'gear_inspections', v_inspections,
            'gear_reminders', v_reminders
        ));
    END IF;
END;
$$;

DROP TABLE gear_ops.gear_reminders;
DROP TABLE gear_ops.gear_inspections;
DROP TABLE gear_ops.gear_items;
DROP SCHEMA gear_ops;

COMMIT;
