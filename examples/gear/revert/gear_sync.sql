-- Revert gear:gear_sync from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "gear", SHA-256 373e1b796fb300fc.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Ends the sync: gear_ops.gear_items keeps its rows and is no longer kept equal. No write is
-- lost, as the source holds all of them, also those of the new application. What is set on the
-- first copy only, and every other column of the target, stays in the target.
--
-- Locks: both tables ACCESS EXCLUSIVE until the commit, some milliseconds, asked for in short
-- tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'gear' AND phase IN ('expand')
       ) AS done \gset
\if :done
    \quit
\endif

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"user_core.old_equipment", "gear_ops.gear_items"}',
                                 'ACCESS EXCLUSIVE');
END;
$do$;

DROP TRIGGER pgtandem_gear_write ON user_core.old_equipment;
DROP TRIGGER pgtandem_gear_update ON user_core.old_equipment;
DROP TRIGGER pgtandem_gear_moved ON user_core.old_equipment;
DROP TRIGGER pgtandem_gear_back_write ON gear_ops.gear_items;
DROP TRIGGER pgtandem_gear_back_update ON gear_ops.gear_items;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_gear'::regnamespace
          AND p.proname IN ('truncate_source', 'truncate_target')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;
DROP FUNCTION pgtandem_gear.sync_forward();
DROP FUNCTION pgtandem_gear.sync_back();
DROP FUNCTION pgtandem_gear.truncate_source();
DROP FUNCTION pgtandem_gear.truncate_target();
DROP FUNCTION pgtandem_gear.queue_extra();
DROP FUNCTION pgtandem_gear.copy_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_gear.chunk_keys(regclass, bigint, bigint);
DROP FUNCTION pgtandem_gear.settle(jsonb);
DROP FUNCTION pgtandem_gear.was_contracted();
DROP FUNCTION pgtandem_gear.copy_is_open();

DO $do$
BEGIN
    PERFORM pgtandem.close_sync('gear');
    PERFORM pgtandem.set_phase('gear', 'expand');
END;
$do$;

COMMIT;
