-- Revert danci:profiles_sync from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "profiles", SHA-256 dd5660c2f7fb8aa9.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Ends the sync: danci.user_learning_profiles keeps its rows and is no longer kept equal. No
-- write is lost, as the source holds all of them. What is set on the first copy only, and every
-- other column of the target, stays in the target.
--
-- Locks: both tables ACCESS EXCLUSIVE until the commit, some milliseconds, asked for in short
-- tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'profiles' AND phase IN ('expand')
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
    PERFORM pgtandem.lock_tables('{"danci.amas_user_states", "danci.user_learning_profiles"}',
                                 'ACCESS EXCLUSIVE');
END;
$do$;

DROP TRIGGER pgtandem_profiles_write ON danci.amas_user_states;
DROP TRIGGER pgtandem_profiles_update ON danci.amas_user_states;
DROP TRIGGER pgtandem_profiles_moved ON danci.amas_user_states;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_profiles'::regnamespace
          AND p.proname IN ('truncate_source')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;
DROP TRIGGER "~pgtandem_profiles_restore" ON danci.user_learning_profiles;
DROP TRIGGER "!pgtandem_profiles_pre_image" ON danci.user_learning_profiles;
DROP FUNCTION pgtandem_profiles.undo_key(jsonb, boolean, boolean, jsonb, text, text[], bigint);
DROP FUNCTION pgtandem_profiles.adopt(danci.user_learning_profiles, xid, xid);
DROP FUNCTION pgtandem_profiles.disown(jsonb);
DROP FUNCTION pgtandem_profiles.order_of(jsonb);
DROP FUNCTION pgtandem_profiles.row_of(jsonb, boolean);
DROP FUNCTION pgtandem_profiles.restore();
DROP FUNCTION pgtandem_profiles.record_pre_image();
DROP FUNCTION pgtandem_profiles.sync_forward();
DROP FUNCTION pgtandem_profiles.truncate_source();
DROP FUNCTION pgtandem_profiles.copy_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_profiles.chunk_keys(regclass, bigint, bigint);
DROP FUNCTION pgtandem_profiles.settle(jsonb);

DO $do$
BEGIN
    PERFORM pgtandem.close_sync('profiles');
    PERFORM pgtandem.set_phase('profiles', 'expand');
END;
$do$;

COMMIT;
