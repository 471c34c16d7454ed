-- Revert vibelife_v5:entitlements_sync from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "entitlements", SHA-256 a200350507da86f8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Ends the sync: vibelife.user_entitlements keeps its rows and is no longer kept equal. No write
-- is lost, as the source holds all of them. What is set on the first copy only, and every other
-- column of the target, stays in the target.
--
-- Locks: all of its tables ACCESS EXCLUSIVE until the commit, some milliseconds, asked for in
-- short tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'entitlements' AND phase IN ('expand')
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
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users", "vibelife.user_entitlements", '
                                 '"vibelife.subscriptions", "vibelife.payments"}',
                                 'ACCESS EXCLUSIVE');
END;
$do$;

DROP TRIGGER pgtandem_entitlements_write ON vibelife.vibe_users;
DROP TRIGGER pgtandem_entitlements_update ON vibelife.vibe_users;
DROP TRIGGER pgtandem_entitlements_moved ON vibelife.vibe_users;
DROP TRIGGER pgtandem_entitlements_subscription ON vibelife.subscriptions;
DROP TRIGGER pgtandem_entitlements_payment ON vibelife.payments;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_entitlements'::regnamespace
          AND p.proname IN ('truncate_source', 'truncate_subscription', 'truncate_payment')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;
DROP FUNCTION pgtandem_entitlements.sync_forward();
DROP FUNCTION pgtandem_entitlements.touched_subscription();
DROP FUNCTION pgtandem_entitlements.touched_payment();
DROP FUNCTION pgtandem_entitlements.truncate_source();
DROP FUNCTION pgtandem_entitlements.truncate_subscription();
DROP FUNCTION pgtandem_entitlements.truncate_payment();
DROP FUNCTION pgtandem_entitlements.queue_extra();
DROP FUNCTION pgtandem_entitlements.copy_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_entitlements.chunk_keys(regclass, bigint, bigint);
DROP FUNCTION pgtandem_entitlements.settle(jsonb);

DO $do$
BEGIN
    PERFORM pgtandem.close_sync('entitlements');
    PERFORM pgtandem.set_phase('entitlements', 'expand');
END;
$do$;

COMMIT;
