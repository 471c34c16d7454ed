-- Revert vibelife_v5:journey_sync from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "journey", SHA-256 babeb2c3dddf5b25.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Ends the sync: vibelife.vibe_users keeps its rows and is no longer kept equal. No write is
-- lost, as the source holds all of them. What is set on the first copy only, and every other
-- column of the target, stays in the target.
--
-- Locks: all of its tables ACCESS EXCLUSIVE until the commit, some milliseconds, asked for in
-- short tries.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'journey' AND phase IN ('expand')
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
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users", "vibelife.conversations", '
                                 '"vibelife.messages", "vibelife.payments"}', 'ACCESS EXCLUSIVE');
END;
$do$;

DROP TRIGGER "~pgtandem_journey_keep" ON vibelife.vibe_users;
DROP TRIGGER "~pgtandem_journey_write" ON vibelife.vibe_users;
DROP TRIGGER "~pgtandem_journey_update" ON vibelife.vibe_users;
DROP TRIGGER "~pgtandem_journey_moved" ON vibelife.vibe_users;
DROP TRIGGER pgtandem_journey_conversation ON vibelife.conversations;
DROP TRIGGER pgtandem_journey_message ON vibelife.messages;
DROP TRIGGER pgtandem_journey_payment ON vibelife.payments;
DO $leaves$
DECLARE
    v_trigger name;
    v_table   regclass;
BEGIN
    FOR v_trigger, v_table IN
        SELECT t.tgname, t.tgrelid
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_journey'::regnamespace
          AND p.proname IN ('truncate_conversation', 'truncate_message', 'truncate_payment')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger, v_table);
    END LOOP;
END;
$leaves$;
DROP FUNCTION pgtandem_journey.keep();
DROP TRIGGER "~pgtandem_journey_restore" ON vibelife.vibe_users;
DROP TRIGGER "!pgtandem_journey_pre_image" ON vibelife.vibe_users;
DROP FUNCTION pgtandem_journey.undo_key(jsonb, boolean, boolean, jsonb, text, text[], bigint);
DROP FUNCTION pgtandem_journey.adopt(vibelife.vibe_users, xid, xid);
DROP FUNCTION pgtandem_journey.disown(jsonb);
DROP FUNCTION pgtandem_journey.order_of(jsonb);
DROP FUNCTION pgtandem_journey.row_of(jsonb, boolean);
DROP FUNCTION pgtandem_journey.restore();
DROP FUNCTION pgtandem_journey.record_pre_image();
DROP FUNCTION pgtandem_journey.sync_forward();
DROP FUNCTION pgtandem_journey.touched_conversation();
DROP FUNCTION pgtandem_journey.touched_message();
DROP FUNCTION pgtandem_journey.touched_payment();
DROP FUNCTION pgtandem_journey.touched(text, jsonb);
DROP FUNCTION pgtandem_journey.truncate_conversation();
DROP FUNCTION pgtandem_journey.truncate_message();
DROP FUNCTION pgtandem_journey.truncate_payment();
DROP FUNCTION pgtandem_journey.copy_chunk(regclass, bigint, bigint, text);
DROP FUNCTION pgtandem_journey.chunk_keys(regclass, bigint, bigint);
DROP FUNCTION pgtandem_journey.settle(jsonb);

DO $do$
BEGIN
    PERFORM pgtandem.close_sync('journey');
    PERFORM pgtandem.set_phase('journey', 'expand');
END;
$do$;

COMMIT;
