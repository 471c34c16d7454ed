-- Deploy vibelife_v5:entitlements_sync to pg
-- requires: entitlements_expand
-- requires: pgtandem:drain
--
-- Rendered by pgtandem 0.1.0 from the mapping "entitlements", SHA-256 a200350507da86f8.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- From here on a write of vibelife.vibe_users, vibelife.subscriptions, vibelife.payments queues
-- the key that it touches, and a drain brings the image to vibelife.user_entitlements. Opens the
-- copy: what was there before is still to be backfilled.
--
-- Locks: all of its tables SHARE ROW EXCLUSIVE until the commit, some milliseconds: writers
-- wait, readers do not. The lock is asked for in short tries; between them nobody waits for us.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';
-- A function of somebody else's that fits better is not to be found.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.lock_tables('{"vibelife.vibe_users", "vibelife.user_entitlements", '
                                 '"vibelife.subscriptions", "vibelife.payments"}',
                                 'SHARE ROW EXCLUSIVE');
    PERFORM pgtandem.require_hash('entitlements',
        'a200350507da86f88f504abd617bdf1d9f00087f017235c8448002b9620c2642');
    PERFORM pgtandem.require_unique('vibelife.user_entitlements', ARRAY['user_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_entitlements.image', 'vibelife.vibe_users',
                                  ARRAY['vibe_id']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_entitlements.image', 'vibelife.subscriptions',
                                  ARRAY['id', 'user_id', 'plan_type', 'status',
                                        'expires_at']::text[]);
    PERFORM pgtandem.require_reads('pgtandem_entitlements.image', 'vibelife.payments',
                                  ARRAY['user_id', 'status']::text[]);
    PERFORM pgtandem.require_determined('pgtandem_entitlements.image',
                                        '{"vibelife.vibe_users", "vibelife.subscriptions", '
                                        '"vibelife.payments"}');
    PERFORM pgtandem.require_index('vibelife.subscriptions', ARRAY['user_id']::text[]);
    PERFORM pgtandem.require_index('vibelife.payments', ARRAY['user_id']::text[]);
    PERFORM pgtandem.require_deletable('vibelife.vibe_users', 'vibelife.user_entitlements');
END;
$do$;

-- One key of the queue: hold the target's row, then read the image in a statement of its own. Never
-- the other way round: a re-insert of the key would be lost.
CREATE OR REPLACE FUNCTION pgtandem_entitlements.settle(p_key jsonb) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_key1 vibelife.user_entitlements.user_id%TYPE := (p_key ->> 0)::uuid;
    v_result text;
BEGIN
    FOR v_try IN 1..20 LOOP
        PERFORM FROM vibelife.user_entitlements AS t
        WHERE t.user_id = v_key1
        FOR UPDATE;
        IF FOUND THEN
            UPDATE vibelife.user_entitlements AS t
            SET current_tier = i.current_tier,
                subscription_id = i.subscription_id,
                tier_expires_at = i.tier_expires_at
            FROM pgtandem_entitlements.image_of_key AS i
            WHERE t.user_id = v_key1 AND i.user_id = v_key1
              AND (t.current_tier IS DISTINCT FROM i.current_tier
                   OR t.subscription_id IS DISTINCT FROM i.subscription_id
                   OR t.tier_expires_at IS DISTINCT FROM i.tier_expires_at);
            IF FOUND THEN
                v_result := 'updated';
                EXIT;
            END IF;
            DELETE FROM vibelife.user_entitlements AS t
            WHERE t.user_id = v_key1
              AND NOT EXISTS (SELECT FROM pgtandem_entitlements.image_of_key AS i
                              WHERE i.user_id = v_key1);
            RETURN CASE WHEN FOUND THEN 'deleted' ELSE 'equal' END;
        END IF;
        INSERT INTO vibelife.user_entitlements AS t
            (user_id, current_tier, subscription_id, tier_expires_at)
        OVERRIDING SYSTEM VALUE
        SELECT i.user_id, i.current_tier, i.subscription_id, i.tier_expires_at
        FROM pgtandem_entitlements.image_of_key AS i
        WHERE i.user_id = v_key1
        ON CONFLICT (user_id) DO NOTHING;
        IF FOUND THEN
            v_result := 'inserted';
            EXIT;
        END IF;
        PERFORM FROM pgtandem_entitlements.image_of_key AS i WHERE i.user_id = v_key1;
        IF NOT FOUND THEN
            RETURN 'equal';
        END IF;
        -- Somebody inserted the row between our two statements: hold it, and look again.
    END LOOP;
    IF v_result IS NULL OR EXISTS (
           SELECT FROM vibelife.user_entitlements AS t, pgtandem_entitlements.image_of_key AS i
           WHERE t.user_id = v_key1 AND i.user_id = v_key1
             AND (t.current_tier IS DISTINCT FROM i.current_tier
                  OR t.subscription_id IS DISTINCT FROM i.subscription_id
                  OR t.tier_expires_at IS DISTINCT FROM i.tier_expires_at)) THEN
        RAISE EXCEPTION 'the target % does not keep the image of key %',
            'vibelife.user_entitlements', p_key
            USING ERRCODE = 'TD010',
                  DETAIL = 'A trigger of the target, or the type of a column, changed a value.',
                  HINT = 'Let the mapping say what the target really stores.';
    END IF;
    RETURN v_result;
END;
$settle$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.settle(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.settle(jsonb) IS
    'Makes the target hold the image of one key: inserted, updated, deleted or equal. TD010. '
    'Called by pgtandem._settle, which marks the write as ours.';

CREATE OR REPLACE FUNCTION pgtandem_entitlements.chunk_keys(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint
) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $chunk_keys$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT jsonb_build_array(source.vibe_id)
        FROM ONLY %s AS source
        WHERE source.ctid >= $1 AND source.ctid < $2
        $query$, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
END;
$chunk_keys$;
COMMENT ON FUNCTION pgtandem_entitlements.chunk_keys(regclass, bigint, bigint) IS
    'The keys of the rows in a range of blocks of the source.';

CREATE OR REPLACE FUNCTION pgtandem_entitlements.queue_extra() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $queue_extra$
    INSERT INTO pgtandem.recheck (mapping, key, reason)
    SELECT 'entitlements', jsonb_build_array(t.user_id), 'gone'
    FROM vibelife.user_entitlements AS t
    WHERE NOT EXISTS (SELECT FROM pgtandem_entitlements.image AS i
                      WHERE i.user_id = t.user_id);
$queue_extra$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.queue_extra() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.queue_extra() IS
    'Queues the keys of the target that have no image. Called by pgtandem._sweep, once a copy over '
    'a target that had rows.';

-- Rows go in sorted by the key of the target, whose index then grows in order.
CREATE OR REPLACE FUNCTION pgtandem_entitlements.copy_chunk(
    p_relation    regclass,
    p_first_block bigint,
    p_last_block  bigint,
    p_strategy    text
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $copy$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format(CASE p_strategy
        WHEN 'overwrite' THEN $overwrite$
            -- The lock makes the value read the value current at the write.
            WITH image AS MATERIALIZED (
            SELECT source.vibe_id AS user_id,
                   (CASE WHEN subscription.plan_type = 'monthly' THEN 'L2'
     WHEN subscription.id IS NOT NULL THEN 'L3'
     WHEN payment.completed > 0 THEN 'L1'
     ELSE 'L0' END)::varchar AS current_tier,
                   (subscription.id)::uuid AS subscription_id,
                   (subscription.expires_at)::timestamp AS tier_expires_at
            FROM ONLY %s AS source
            LEFT JOIN LATERAL (
                SELECT (subscription.id), (subscription.plan_type), (subscription.expires_at)
                FROM vibelife.subscriptions AS subscription
                WHERE source.vibe_id = subscription.user_id
                  AND (subscription.status = 'active')
                ORDER BY subscription.plan_type = 'monthly',
                    subscription.expires_at DESC NULLS FIRST, subscription.id,
                    subscription.plan_type COLLATE "C", subscription.expires_at
                LIMIT 1
            ) AS subscription (id, plan_type, expires_at) ON true
            LEFT JOIN LATERAL (
                SELECT (count(*))
                FROM vibelife.payments AS payment
                WHERE source.vibe_id = payment.user_id
                  AND (payment.status = 'completed')
                GROUP BY payment.user_id
            ) AS payment (completed) ON true
            WHERE source.ctid >= $1 AND source.ctid < $2
            FOR NO KEY UPDATE OF source)
            INSERT INTO vibelife.user_entitlements AS t
                (user_id, current_tier, subscription_id, tier_expires_at)
            OVERRIDING SYSTEM VALUE
            SELECT i.user_id, i.current_tier, i.subscription_id, i.tier_expires_at
            FROM image AS i
            ORDER BY i.user_id
            ON CONFLICT (user_id) DO UPDATE
                SET current_tier = excluded.current_tier,
                    subscription_id = excluded.subscription_id,
                    tier_expires_at = excluded.tier_expires_at
                WHERE t.current_tier IS DISTINCT FROM excluded.current_tier
                   OR t.subscription_id IS DISTINCT FROM excluded.subscription_id
                   OR t.tier_expires_at IS DISTINCT FROM excluded.tier_expires_at
        $overwrite$
        WHEN 'insert' THEN $insert$
            INSERT INTO vibelife.user_entitlements
                (user_id, current_tier, subscription_id, tier_expires_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.vibe_id,
                   (CASE WHEN subscription.plan_type = 'monthly' THEN 'L2'
     WHEN subscription.id IS NOT NULL THEN 'L3'
     WHEN payment.completed > 0 THEN 'L1'
     ELSE 'L0' END)::varchar,
                   (subscription.id)::uuid,
                   (subscription.expires_at)::timestamp
            FROM ONLY %s AS source
            LEFT JOIN LATERAL (
                SELECT (subscription.id), (subscription.plan_type), (subscription.expires_at)
                FROM vibelife.subscriptions AS subscription
                WHERE source.vibe_id = subscription.user_id
                  AND (subscription.status = 'active')
                ORDER BY subscription.plan_type = 'monthly',
                    subscription.expires_at DESC NULLS FIRST, subscription.id,
                    subscription.plan_type COLLATE "C", subscription.expires_at
                LIMIT 1
            ) AS subscription (id, plan_type, expires_at) ON true
            LEFT JOIN LATERAL (
                SELECT (count(*))
                FROM vibelife.payments AS payment
                WHERE source.vibe_id = payment.user_id
                  AND (payment.status = 'completed')
                GROUP BY payment.user_id
            ) AS payment (completed) ON true
            WHERE source.ctid >= $1 AND source.ctid < $2
            ORDER BY source.vibe_id
        $insert$
        ELSE $skip$
            INSERT INTO vibelife.user_entitlements
                (user_id, current_tier, subscription_id, tier_expires_at)
            OVERRIDING SYSTEM VALUE
            SELECT source.vibe_id,
                   (CASE WHEN subscription.plan_type = 'monthly' THEN 'L2'
     WHEN subscription.id IS NOT NULL THEN 'L3'
     WHEN payment.completed > 0 THEN 'L1'
     ELSE 'L0' END)::varchar,
                   (subscription.id)::uuid,
                   (subscription.expires_at)::timestamp
            FROM ONLY %s AS source
            LEFT JOIN LATERAL (
                SELECT (subscription.id), (subscription.plan_type), (subscription.expires_at)
                FROM vibelife.subscriptions AS subscription
                WHERE source.vibe_id = subscription.user_id
                  AND (subscription.status = 'active')
                ORDER BY subscription.plan_type = 'monthly',
                    subscription.expires_at DESC NULLS FIRST, subscription.id,
                    subscription.plan_type COLLATE "C", subscription.expires_at
                LIMIT 1
            ) AS subscription (id, plan_type, expires_at) ON true
            LEFT JOIN LATERAL (
                SELECT (count(*))
                FROM vibelife.payments AS payment
                WHERE source.vibe_id = payment.user_id
                  AND (payment.status = 'completed')
                GROUP BY payment.user_id
            ) AS payment (completed) ON true
            WHERE source.ctid >= $1 AND source.ctid < $2
              AND NOT EXISTS (SELECT FROM vibelife.user_entitlements AS t
                              WHERE t.user_id = source.vibe_id)
            ORDER BY source.vibe_id
        $skip$ || CASE p_strategy WHEN 'ignore' THEN $ignore$
            ON CONFLICT (user_id) DO NOTHING
        $ignore$ ELSE '' END
        END, p_relation)
    USING format('(%s,0)', p_first_block)::tid, format('(%s,0)', p_last_block)::tid;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$copy$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.copy_chunk(regclass, bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.copy_chunk(regclass, bigint, bigint, text) IS
    'Copies a range of blocks; returns the rows written. Strategies: insert (none is there), skip '
    '(those there are right), ignore (likewise, with writers at work), overwrite (lock and '
    'replace). Called by pgtandem._copy_chunk, which marks the write as ours.';

-- A write of the source queues its key, and takes no lock but that of its own row: the old
-- application cannot wait for anybody. "pgtandem drain entitlements --follow" brings the image
-- over.
CREATE OR REPLACE FUNCTION pgtandem_entitlements.sync_forward() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $forward$
#variable_conflict use_column
DECLARE
    v_old    ALIAS FOR old;
    v_new    ALIAS FOR new;
    v_before jsonb;
    v_after  jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.vibe_id IS DISTINCT FROM NEW.vibe_id) THEN
        -- Nothing that is mapped. The trigger pgtandem_entitlements_moved is for rows that change
        -- block.
        IF TG_NARGS = 0 OR (v_old.ctid::text::point)[0] = (v_new.ctid::text::point)[0] THEN
            RETURN NULL;
        END IF;
    ELSIF TG_NARGS > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.vibe_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.vibe_id);
    END IF;

    IF v_before IS NOT NULL THEN
        PERFORM pgtandem.queue('entitlements', v_before, 'queued');
    END IF;
    IF v_after IS DISTINCT FROM v_before AND v_after IS NOT NULL THEN
        PERFORM pgtandem.queue('entitlements', v_after, 'queued');
    END IF;
    RETURN NULL;
END;
$forward$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.sync_forward() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.sync_forward() IS
    'Trigger on vibelife.vibe_users: queues the key of each written row, for a drain.';

DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.vibe_users', 'pgtandem_entitlements',
                                          ARRAY['pgtandem_entitlements_write',
                                                'pgtandem_entitlements_update',
                                                'pgtandem_entitlements_moved',
                                                'pgtandem_entitlements_truncate']::text[]);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_entitlements_write
    AFTER INSERT OR DELETE ON vibelife.vibe_users
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_entitlements.sync_forward();
CREATE OR REPLACE TRIGGER pgtandem_entitlements_update
    AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW
EXECUTE FUNCTION pgtandem_entitlements.sync_forward();
-- While the copy is open: a row that is not copied yet, and moves to another block by an update of
-- columns that nobody maps, may move behind the chunks. entitlements_backfill disables this one.
CREATE OR REPLACE TRIGGER pgtandem_entitlements_moved
    AFTER UPDATE ON vibelife.vibe_users
    FOR EACH ROW
EXECUTE FUNCTION pgtandem_entitlements.sync_forward('moved');
-- Also for rows that logical replication applies.
ALTER TABLE vibelife.vibe_users
    ENABLE ALWAYS TRIGGER pgtandem_entitlements_write,
    ENABLE ALWAYS TRIGGER pgtandem_entitlements_update,
    ENABLE ALWAYS TRIGGER pgtandem_entitlements_moved;

-- A row of vibelife.subscriptions touches the key that it names.
CREATE OR REPLACE FUNCTION pgtandem_entitlements.touched_subscription() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $touched$
#variable_conflict use_column
DECLARE
    v_old    ALIAS FOR old;
    v_new    ALIAS FOR new;
    v_before jsonb;
    v_after  jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.id IS DISTINCT FROM NEW.id
                                 OR OLD.user_id IS DISTINCT FROM NEW.user_id
                                 OR OLD.plan_type IS DISTINCT FROM NEW.plan_type
                                 OR OLD.status IS DISTINCT FROM NEW.status
                                 OR OLD.expires_at IS DISTINCT FROM NEW.expires_at) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.user_id);
    END IF;

    -- A row with a NULL there touches nobody.
    IF NOT v_before @> '[null]' THEN
        PERFORM pgtandem.queue('entitlements', v_before, 'queued', 'target', NULL);
    END IF;
    IF v_after IS DISTINCT FROM v_before AND NOT v_after @> '[null]' THEN
        PERFORM pgtandem.queue('entitlements', v_after, 'queued', 'target', NULL);
    END IF;
    RETURN NULL;
END;
$touched$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.touched_subscription() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.touched_subscription() IS
    'Trigger on vibelife.subscriptions: queues what each written row touches, before and after.';
DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.subscriptions', 'pgtandem_entitlements',
                                          ARRAY['pgtandem_entitlements_subscription']);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_entitlements_subscription
    AFTER INSERT OR UPDATE OR DELETE ON vibelife.subscriptions
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_entitlements.touched_subscription();
ALTER TABLE vibelife.subscriptions ENABLE ALWAYS TRIGGER pgtandem_entitlements_subscription;

-- A row of vibelife.payments touches the key that it names.
CREATE OR REPLACE FUNCTION pgtandem_entitlements.touched_payment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $touched$
#variable_conflict use_column
DECLARE
    v_old    ALIAS FOR old;
    v_new    ALIAS FOR new;
    v_before jsonb;
    v_after  jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT (OLD.user_id IS DISTINCT FROM NEW.user_id
                                 OR OLD.status IS DISTINCT FROM NEW.status) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := jsonb_build_array(v_old.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := jsonb_build_array(v_new.user_id);
    END IF;

    -- A row with a NULL there touches nobody.
    IF NOT v_before @> '[null]' THEN
        PERFORM pgtandem.queue('entitlements', v_before, 'queued', 'target', NULL);
    END IF;
    IF v_after IS DISTINCT FROM v_before AND NOT v_after @> '[null]' THEN
        PERFORM pgtandem.queue('entitlements', v_after, 'queued', 'target', NULL);
    END IF;
    RETURN NULL;
END;
$touched$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.touched_payment() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.touched_payment() IS
    'Trigger on vibelife.payments: queues what each written row touches, before and after.';
DO $do$
BEGIN
    PERFORM pgtandem.require_own_triggers('vibelife.payments', 'pgtandem_entitlements',
                                          ARRAY['pgtandem_entitlements_payment']);
END;
$do$;
CREATE OR REPLACE TRIGGER pgtandem_entitlements_payment
    AFTER INSERT OR UPDATE OR DELETE ON vibelife.payments
    FOR EACH ROW
    EXECUTE FUNCTION pgtandem_entitlements.touched_payment();
ALTER TABLE vibelife.payments ENABLE ALWAYS TRIGGER pgtandem_entitlements_payment;

CREATE OR REPLACE FUNCTION pgtandem_entitlements.truncate_source() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "entitlements" and cannot be truncated',
        'vibelife.vibe_users'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.truncate_source() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.truncate_source() IS
    'Trigger on vibelife.vibe_users: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.vibe_users'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.vibe_users')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_entitlements.depth'', '
                       'true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_entitlements.truncate_source()',
                       'pgtandem_entitlements_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_entitlements_truncate');
    END LOOP;
END;
$leaves$;

CREATE OR REPLACE FUNCTION pgtandem_entitlements.truncate_subscription() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "entitlements" and cannot be truncated',
        'vibelife.subscriptions'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.truncate_subscription() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.truncate_subscription() IS
    'Trigger on vibelife.subscriptions: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.subscriptions'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.subscriptions')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_entitlements.depth'', '
                       'true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_entitlements.truncate_subscription()',
                       'pgtandem_entitlements_subscription_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_entitlements_subscription_truncate');
    END LOOP;
END;
$leaves$;

CREATE OR REPLACE FUNCTION pgtandem_entitlements.truncate_payment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $truncate$
BEGIN
    RAISE EXCEPTION '% is being moved by the mapping "entitlements" and cannot be truncated',
        'vibelife.payments'
        USING ERRCODE = 'TD014',
              HINT = 'DELETE is synced.';
END;
$truncate$;
REVOKE ALL ON FUNCTION pgtandem_entitlements.truncate_payment() FROM PUBLIC;
COMMENT ON FUNCTION pgtandem_entitlements.truncate_payment() IS
    'Trigger on vibelife.payments: refuses TRUNCATE, which no row trigger sees.';
-- A TRUNCATE of a single partition fires only the triggers of that partition.
DO $leaves$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN SELECT 'vibelife.payments'::regclass
                   UNION SELECT relid FROM pg_partition_tree('vibelife.payments')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT WHEN (current_setting(''pgtandem_entitlements.depth'', '
                       'true) '
                       'IS DISTINCT FROM pg_trigger_depth()::text) EXECUTE FUNCTION '
                       'pgtandem_entitlements.truncate_payment()',
                       'pgtandem_entitlements_payment_truncate', v_table);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table,
                       'pgtandem_entitlements_payment_truncate');
    END LOOP;
END;
$leaves$;

DO $do$
BEGIN
    PERFORM pgtandem.open_copy('entitlements');
    PERFORM pgtandem.take_sample('entitlements');
    PERFORM pgtandem.set_phase('entitlements', 'sync');
END;
$do$;

COMMIT;
