-- Revert unified_profiles:unified_profiles_sync from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Ends the sync: vibelife.unified_profiles keeps its rows and is no longer kept equal. No write
-- is lost, as the source holds all of them, also those of the new application. What is set on
-- the first copy only, and every other column of the target, stays in the target.
--
-- Locks: both tables ACCESS EXCLUSIVE until the commit, some milliseconds, asked for in short
-- tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'unified_profiles' AND phase IN ('expand')
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
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users", "vibelife.unified_profiles"}',
                                 'ACCESS EXCLUSIVE');
    -- A contract that has begun and was given up.
    PERFORM pgtandem.abandon_archive('unified_profiles');
END;
$do$;

DROP TRIGGER trigger_sync_account_to_profile_write ON vibelife.vibe_users;
DROP TRIGGER trigger_sync_account_to_profile_update ON vibelife.vibe_users;
DROP TRIGGER trigger_sync_account_to_profile_moved ON vibelife.vibe_users;
DROP TRIGGER pgtandem_unified_profiles_back_write ON vibelife.unified_profiles;
DROP TRIGGER pgtandem_unified_profiles_back_update ON vibelife.unified_profiles;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_unified_profiles'::regnamespace
          AND p.proname IN ('truncate_source', 'truncate_target')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;
DROP FUNCTION pgtandem_unified_profiles.sync_forward();
DROP FUNCTION pgtandem_unified_profiles.sync_back();
DROP FUNCTION pgtandem_unified_profiles.truncate_source();
DROP FUNCTION pgtandem_unified_profiles.truncate_target();
DROP FUNCTION pgtandem_unified_profiles.queue_extra();
DROP FUNCTION pgtandem_unified_profiles.copy_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_unified_profiles.chunk_keys(regclass, bigint, bigint);
DROP FUNCTION pgtandem_unified_profiles.settle(jsonb);
DROP FUNCTION pgtandem_unified_profiles.was_contracted();
DROP FUNCTION pgtandem_unified_profiles.copy_is_open();

DO $do$
BEGIN
    PERFORM pgtandem.close_sync('unified_profiles');
    PERFORM pgtandem.set_phase('unified_profiles', 'expand');
END;
$do$;

COMMIT;
