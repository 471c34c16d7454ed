-- Tests vibelife_v5:entitlements_sync, right after it: the copy is open. Changes nothing; needs
-- pgTAP in the search path.

BEGIN;

SELECT plan(25);

CREATE FUNCTION pg_temp.id(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;
CREATE FUNCTION pg_temp.tier(p_number integer) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s %s', current_tier, right(subscription_id::text, 2))
      FROM vibelife.user_entitlements WHERE user_id = pg_temp.id(p_number);
$$;
CREATE FUNCTION pg_temp.drained() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_batch record;
    v_keys  bigint := 0;
BEGIN
    LOOP
        SELECT * INTO v_batch FROM pgtandem._drain_batch('entitlements');
        v_keys := v_keys + v_batch.settled;
        EXIT WHEN NOT v_batch.more;
    END LOOP;
    RETURN v_keys;
END;
$$;

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'entitlements' $$,
    $$ VALUES ('sync', 'open') $$,
    'the sync is on, the copy open'
);
SELECT bag_eq(
    $$ SELECT tgrelid::regclass, tgname::text, tgenabled::text
         FROM pg_catalog.pg_trigger AS t
         JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_entitlements'::regnamespace $$,
    $$ VALUES ('vibelife.vibe_users'::regclass, 'pgtandem_entitlements_write', 'A'),
              ('vibelife.vibe_users', 'pgtandem_entitlements_update', 'A'),
              ('vibelife.vibe_users', 'pgtandem_entitlements_moved', 'A'),
              ('vibelife.vibe_users', 'pgtandem_entitlements_truncate', 'A'),
              ('vibelife.subscriptions', 'pgtandem_entitlements_subscription', 'A'),
              ('vibelife.subscriptions', 'pgtandem_entitlements_subscription_truncate', 'A'),
              ('vibelife.payments', 'pgtandem_entitlements_payment', 'A'),
              ('vibelife.payments', 'pgtandem_entitlements_payment_truncate', 'A') $$,
    'all triggers fire in every replication role; none is on the new table'
);

INSERT INTO vibelife.vibe_users (vibe_id) SELECT pg_temp.id(n) FROM generate_series(1, 3) AS n;
SELECT is(pg_temp.tier(1), NULL, 'a write only queues');
SELECT is(pg_temp.drained(), 3::bigint, 'its keys, which a drain settles');
SELECT is(pg_temp.tier(1), 'L0 ', 'a new user has the least');
SELECT results_eq(
    $$ SELECT daily_conversations_used, unlocked_dimensions, has_rituals
         FROM vibelife.user_entitlements WHERE user_id = pg_temp.id(1) $$,
    $$ VALUES (0, ARRAY['bazi'], false) $$,
    'and the defaults of what the new application keeps'
);
UPDATE vibelife.user_entitlements
   SET daily_conversations_used = 7, has_rituals = true
 WHERE user_id = pg_temp.id(1);
SELECT is(pg_temp.drained(), 0::bigint, 'which is nothing to bring over');

-- Payments.
INSERT INTO vibelife.payments (id, user_id, amount)
VALUES (pg_temp.id(1), pg_temp.id(1), 28), (pg_temp.id(2), pg_temp.id(1), 28);
SELECT pg_temp.drained();
SELECT is(pg_temp.tier(1), 'L0 ', 'a payment that is pending');
UPDATE vibelife.payments SET status = 'completed' WHERE user_id = pg_temp.id(1);
SELECT is(
    (SELECT count(DISTINCT key) FROM pgtandem.recheck
      WHERE mapping = 'entitlements' AND reason = 'queued'),
    1::bigint, 'two that are completed at one instant queue their user alone'
);
SELECT pg_temp.drained();
SELECT is(pg_temp.tier(1), 'L1 ', 'are one entitlement');
UPDATE vibelife.payments SET status = 'refunded' WHERE id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(pg_temp.tier(1), 'L1 ', 'one is refunded, the other counts');
UPDATE vibelife.payments SET user_id = pg_temp.id(2) WHERE id = pg_temp.id(2);
SELECT pg_temp.drained();
SELECT is(
    pg_temp.tier(1) || ' | ' || pg_temp.tier(2), 'L0  | L1 ',
    'a payment that was somebody else''s: both'
);
DELETE FROM vibelife.payments WHERE id = pg_temp.id(2);
SELECT pg_temp.drained();
SELECT is(pg_temp.tier(2), 'L0 ', 'a payment that is deleted');
UPDATE vibelife.payments SET amount = 29 WHERE user_id = pg_temp.id(1);
SELECT is(pg_temp.drained(), 0::bigint, 'what nobody maps queues nothing');

-- Subscriptions.
INSERT INTO vibelife.subscriptions (id, user_id, plan_type, expires_at)
VALUES (pg_temp.id(11), pg_temp.id(1), 'monthly', '2099-01-01'),
       (pg_temp.id(12), pg_temp.id(1), 'yearly', '2030-01-01');
SELECT pg_temp.drained();
SELECT is(pg_temp.tier(1), 'L3 12', 'of two subscriptions the yearly one');
UPDATE vibelife.subscriptions SET status = 'cancelled' WHERE id = pg_temp.id(12);
SELECT pg_temp.drained();
SELECT is(pg_temp.tier(1), 'L2 11', 'when it is cancelled, the monthly one');
UPDATE vibelife.subscriptions SET expires_at = NULL WHERE id = pg_temp.id(11);
SELECT pg_temp.drained();
SELECT results_eq(
    $$ SELECT tier_expires_at, daily_conversations_used, has_rituals
         FROM vibelife.user_entitlements WHERE user_id = pg_temp.id(1) $$,
    $$ VALUES (NULL::timestamp, 7, true) $$,
    'an end that is taken away; what was used stays through all of it'
);

-- Users.
UPDATE vibelife.vibe_users SET email = 'x', status = 'guest' WHERE vibe_id = pg_temp.id(3);
SELECT is(pg_temp.drained(), 0::bigint, 'a user''s address queues nothing');
UPDATE vibelife.vibe_users SET vibe_id = pg_temp.id(4) WHERE vibe_id = pg_temp.id(3);
SELECT pg_temp.drained();
SELECT is(
    coalesce(pg_temp.tier(3), 'none') || ' | ' || pg_temp.tier(4), 'none | L0 ', 'a changed key'
);
DELETE FROM vibelife.vibe_users WHERE vibe_id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(pg_temp.tier(1), NULL, 'a user who is deleted has no entitlement any more');
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'entitlements' AND attempts > 0 $$,
    'nothing failed'
);

SELECT throws_ok(
    $$ TRUNCATE vibelife.subscriptions $$, 'TD014',
    'vibelife.subscriptions is being moved by the mapping "entitlements" and cannot be truncated',
    'TD014: TRUNCATE'
);
SELECT ok(
    NOT has_function_privilege('old_app', f.oid, 'EXECUTE')
    AND NOT has_function_privilege('new_app', f.oid, 'EXECUTE'),
    format('no application may call %s', f.oid)
)
  FROM (VALUES ('pgtandem_entitlements.settle(jsonb)'::regprocedure),
               ('pgtandem_entitlements.queue_extra()'),
               ('pgtandem_entitlements.copy_chunk(regclass, bigint, bigint, text)')) AS f (oid);

SELECT * FROM finish();

ROLLBACK;
