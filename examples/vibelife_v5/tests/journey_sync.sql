-- Tests vibelife_v5:journey_sync, right after it: the copy is open. Changes nothing; needs pgTAP in
-- the search path.

BEGIN;

SELECT plan(25);

CREATE FUNCTION pg_temp.id(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;
CREATE FUNCTION pg_temp.journey(p_number integer) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s, %s, %s', journey_stage, journey_started_at::date, last_active_at)
      FROM vibelife.vibe_users WHERE vibe_id = pg_temp.id(p_number);
$$;
CREATE FUNCTION pg_temp.drained() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_batch record;
    v_keys  bigint := 0;
BEGIN
    LOOP
        SELECT * INTO v_batch FROM pgtandem._drain_batch('journey');
        v_keys := v_keys + v_batch.settled;
        EXIT WHEN NOT v_batch.more;
    END LOOP;
    RETURN v_keys;
END;
$$;

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'journey' $$,
    $$ VALUES ('sync', 'open') $$,
    'the sync is on, the copy open'
);
SELECT bag_eq(
    $$ SELECT tgrelid::regclass, tgname::text, tgenabled::text
         FROM pg_catalog.pg_trigger AS t
         JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'pgtandem_journey'::regnamespace $$,
    $$ VALUES ('vibelife.vibe_users'::regclass, '~pgtandem_journey_keep', 'A'),
              ('vibelife.vibe_users', '!pgtandem_journey_pre_image', 'A'),
              ('vibelife.vibe_users', '~pgtandem_journey_restore', 'A'),
              ('vibelife.vibe_users', '~pgtandem_journey_write', 'A'),
              ('vibelife.vibe_users', '~pgtandem_journey_update', 'A'),
              ('vibelife.vibe_users', '~pgtandem_journey_moved', 'A'),
              ('vibelife.conversations', 'pgtandem_journey_conversation', 'A'),
              ('vibelife.conversations', 'pgtandem_journey_conversation_truncate', 'A'),
              ('vibelife.messages', 'pgtandem_journey_message', 'A'),
              ('vibelife.messages', 'pgtandem_journey_message_truncate', 'A'),
              ('vibelife.payments', 'pgtandem_journey_payment', 'A'),
              ('vibelife.payments', 'pgtandem_journey_payment_truncate', 'A') $$,
    'all triggers fire in every replication role'
);

-- A new user.
INSERT INTO vibelife.vibe_users (vibe_id, created_at)
SELECT pg_temp.id(n), '2025-01-01' FROM generate_series(1, 4) AS n;
SELECT is(pg_temp.journey(1), 'encounter, , ', 'a write only queues');
SELECT is(
    (SELECT count(*) FROM pgtandem.recheck WHERE mapping = 'journey'), 4::bigint, 'each of its keys'
);
SELECT is(pg_temp.drained(), 4::bigint, 'which a drain settles');
SELECT is(pg_temp.journey(1), 'first_sight, 2025-01-01, ', 'and nobody is an encounter any more');

-- Messages.
INSERT INTO vibelife.conversations (id, user_id)
VALUES (pg_temp.id(1), pg_temp.id(1)), (pg_temp.id(2), pg_temp.id(2));
INSERT INTO vibelife.messages (id, conversation_id, role, content, created_at)
VALUES (pg_temp.id(1), pg_temp.id(1), 'user', '', '2025-02-01 23:59:59.999999'),
       (pg_temp.id(2), pg_temp.id(1), 'assistant', '', '2025-02-02');
SELECT is(
    (SELECT count(*) FROM pgtandem.recheck
      WHERE mapping = 'journey' AND via = 'message' AND key ->> 0 = pg_temp.id(1)::text),
    2::bigint, 'a message queues its conversation'
);
SELECT is(pg_temp.drained() > 0, true, 'a drain finds the user behind it');
SELECT is(
    pg_temp.journey(1), 'first_sight, 2025-01-01, 2025-02-01 23:59:59.999999',
    'and the last message of the user, not of the assistant; the stage is the application''s now'
);
UPDATE vibelife.messages SET created_at = '2025-03-01' WHERE id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(pg_temp.journey(1), 'first_sight, 2025-01-01, 2025-03-01 00:00:00', 'an update');
UPDATE vibelife.messages SET conversation_id = pg_temp.id(2) WHERE id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(
    pg_temp.journey(1) || ' | ' || pg_temp.journey(2),
    'first_sight, 2025-01-01,  | first_sight, 2025-01-01, 2025-03-01 00:00:00',
    'a message that moves to the conversation of another user: both'
);
UPDATE vibelife.conversations SET user_id = pg_temp.id(3) WHERE id = pg_temp.id(2);
SELECT pg_temp.drained();
SELECT is(
    pg_temp.journey(2) || ' | ' || pg_temp.journey(3),
    'first_sight, 2025-01-01,  | first_sight, 2025-01-01, 2025-03-01 00:00:00',
    'a conversation that moves'
);
DELETE FROM vibelife.messages WHERE id = pg_temp.id(1);
SELECT pg_temp.drained();
SELECT is(pg_temp.journey(3), 'first_sight, 2025-01-01, ', 'a delete');

-- What the running application has set, and what it has not.
UPDATE vibelife.vibe_users SET journey_stage = 'symbiosis' WHERE vibe_id = pg_temp.id(1);
UPDATE vibelife.vibe_users SET journey_stage = NULL WHERE vibe_id = pg_temp.id(2);
INSERT INTO vibelife.conversations (id, user_id) VALUES (pg_temp.id(12), pg_temp.id(2));
INSERT INTO vibelife.messages (conversation_id, role, content, created_at)
SELECT c.id, 'user', '', '2025-01-01'::timestamp + n * interval '1 day'
  FROM (VALUES (pg_temp.id(1)), (pg_temp.id(12))) AS c (id), generate_series(1, 14) AS n;
INSERT INTO vibelife.payments (id, user_id, amount, status)
VALUES (pg_temp.id(1), pg_temp.id(2), 28, 'completed');
SELECT pg_temp.drained();
SELECT is(
    pg_temp.journey(1), 'symbiosis, 2025-01-01, 2025-01-15 00:00:00', 'a stage that is set stays'
);
SELECT is(
    pg_temp.journey(2), 'dependence, 2025-01-01, 2025-01-15 00:00:00', 'one that is unset is filled'
);
UPDATE vibelife.payments SET status = 'refunded' WHERE id = pg_temp.id(1);
SELECT is(
    (SELECT count(*) FROM pgtandem.recheck
      WHERE mapping = 'journey' AND reason = 'queued' AND key ->> 0 = pg_temp.id(2)::text),
    1::bigint, 'a refund queues its user'
);
SELECT pg_temp.drained();
SELECT is(
    pg_temp.journey(2), 'dependence, 2025-01-01, 2025-01-15 00:00:00', 'who keeps the stage'
);

-- The table's own triggers.
CREATE FUNCTION pg_temp.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := '2030-01-01';
    RETURN NEW;
END;
$$;
CREATE TRIGGER touch BEFORE UPDATE ON vibelife.vibe_users
    FOR EACH ROW EXECUTE FUNCTION pg_temp.touch();
INSERT INTO vibelife.messages (conversation_id, role, content, created_at)
VALUES (pg_temp.id(12), 'user', '', '2025-06-01');
SELECT pg_temp.drained();
SELECT results_eq(
    $$ SELECT last_active_at, updated_at < '2030-01-01' FROM vibelife.vibe_users
        WHERE vibe_id = pg_temp.id(2) $$,
    $$ VALUES ('2025-06-01'::timestamp, true) $$,
    'a drain is no change of the application''s'
);
DROP TRIGGER touch ON vibelife.vibe_users;

-- Users go.
DELETE FROM vibelife.vibe_users WHERE vibe_id = pg_temp.id(2);
SELECT pg_temp.drained();
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'journey' AND attempts > 0 $$,
    'a user who is deleted is no failure'
);

SELECT throws_ok(
    format('TRUNCATE %s CASCADE', t.name), 'TD014',
    format('%s is being moved by the mapping "journey" and cannot be truncated', t.name),
    format('TD014: TRUNCATE of %s', t.name)
)
  FROM (VALUES ('vibelife.messages'), ('vibelife.payments')) AS t (name);

-- What others use.
SELECT results_eq(
    $$ SELECT count(*) FROM generate_series(0, 1000) AS b,
              pgtandem_journey.chunk_keys('vibelife.vibe_users', b, b + 1) $$,
    $$ SELECT count(*) FROM vibelife.vibe_users $$,
    'the keys of a range of blocks'
);
SELECT ok(
    NOT has_function_privilege('old_app', f.oid, 'EXECUTE')
    AND NOT has_function_privilege('new_app', f.oid, 'EXECUTE'),
    format('no application may call %s', f.oid)
)
  FROM (VALUES ('pgtandem_journey.settle(jsonb)'::regprocedure),
               ('pgtandem_journey.touched(text, jsonb)'),
               ('pgtandem_journey.copy_chunk(regclass, bigint, bigint, text)')) AS f (oid);

SELECT * FROM finish();

ROLLBACK;
