-- Tests gear:gear_sync, right after it: the copy is open. Changes nothing; needs pgTAP in the
-- search path.

BEGIN;

SELECT plan(39);

INSERT INTO user_core.users (id, name, email)
VALUES ('00000000-0000-4000-9000-000000000001', 'Test', 'gear_sync@example.invalid');
CREATE FUNCTION pg_temp.item(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;
CREATE FUNCTION pg_temp.both(p_number integer) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s, %s | %s, %s', o.type, o.brand, i.category, i.brand)
    FROM (SELECT pg_temp.item(p_number) AS id) AS k
    LEFT JOIN user_core.old_equipment AS o USING (id)
    LEFT JOIN gear_ops.gear_items AS i USING (id);
$$;

SELECT results_eq(
    $$ SELECT phase, copy_state FROM pgtandem.mapping WHERE name = 'gear' $$,
    $$ VALUES ('sync', 'open') $$,
    'the sync is on, the copy open'
);
SELECT set_eq(
    $$ SELECT tgrelid::regclass, tgname::text, tgenabled::text FROM pg_catalog.pg_trigger
       WHERE tgrelid IN ('user_core.old_equipment'::regclass, 'gear_ops.gear_items'::regclass)
         AND NOT tgisinternal $$,
    $$ VALUES ('user_core.old_equipment'::regclass, 'pgtandem_gear_write', 'A'),
              ('user_core.old_equipment', 'pgtandem_gear_update', 'A'),
              ('user_core.old_equipment', 'pgtandem_gear_moved', 'A'),
              ('user_core.old_equipment', 'pgtandem_gear_truncate', 'A'),
              ('gear_ops.gear_items', 'pgtandem_gear_back_write', 'A'),
              ('gear_ops.gear_items', 'pgtandem_gear_back_update', 'A'),
              ('gear_ops.gear_items', 'pgtandem_gear_truncate', 'A') $$,
    'all triggers fire in every replication role'
);

-- Old to new.
INSERT INTO user_core.old_equipment (id, user_id, name, type, brand)
SELECT pg_temp.item(n), '00000000-0000-4000-9000-000000000001', 'Rope ' || n, 'rope', NULL
FROM generate_series(1, 4) AS n;
SELECT is(pg_temp.both(1), 'rope,  | rope, ', 'an insert');
SELECT results_eq(
    $$ SELECT name, status, role, updated_at = created_at FROM gear_ops.gear_items
       WHERE id = pg_temp.item(1) $$,
    $$ VALUES ('Rope 1'::varchar, 'active'::varchar, 'personal'::varchar, true) $$,
    'with the first values of what the new system owns'
);
UPDATE gear_ops.gear_items SET status = 'retired' WHERE id = pg_temp.item(1);
UPDATE user_core.old_equipment SET brand = 'Acme' WHERE id IN (pg_temp.item(1), pg_temp.item(2));
SELECT is(pg_temp.both(2), 'rope, Acme | rope, Acme', 'an update of several rows');
UPDATE user_core.old_equipment SET brand = NULL WHERE id = pg_temp.item(2);
SELECT is(pg_temp.both(2), 'rope,  | rope, ', 'an update to NULL');
SELECT is(
    (SELECT status FROM gear_ops.gear_items WHERE id = pg_temp.item(1)), 'retired',
    'what the new system owns stays'
);
UPDATE user_core.old_equipment SET id = pg_temp.item(11) WHERE id = pg_temp.item(1);
SELECT is(pg_temp.both(11), 'rope, Acme | rope, Acme', 'a change of key');
SELECT is(
    (SELECT status FROM gear_ops.gear_items WHERE id = pg_temp.item(11)), 'retired',
    'which keeps what the new system owns'
);
SELECT is_empty(
    $$ SELECT FROM gear_ops.gear_items WHERE id = pg_temp.item(1) $$, 'and leaves nothing behind'
);
DELETE FROM user_core.old_equipment WHERE id = pg_temp.item(3);
SELECT is_empty($$ SELECT FROM gear_ops.gear_items WHERE id = pg_temp.item(3) $$, 'a delete');
SELECT set_eq(
    $$ SELECT key ->> 0, reason FROM pgtandem.recheck WHERE mapping = 'gear' $$,
    $$ VALUES (pg_temp.item(1)::text, 'gone'), (pg_temp.item(11)::text, 'gone'),
              (pg_temp.item(3)::text, 'gone') $$,
    'while the copy is open, what is taken away is queued as well'
);
DELETE FROM pgtandem.recheck;
CREATE TEMPORARY TABLE before AS
SELECT ctid AS place FROM gear_ops.gear_items WHERE id = pg_temp.item(4);
UPDATE user_core.old_equipment SET last_viewed_at = now() WHERE id = pg_temp.item(4);
SELECT results_eq(
    $$ SELECT ctid FROM gear_ops.gear_items WHERE id = pg_temp.item(4) $$,
    $$ SELECT place FROM before $$,
    'what only the old system knows does not touch the new one'
);
INSERT INTO user_core.old_equipment (id, user_id, name, type)
VALUES (pg_temp.item(4), '00000000-0000-4000-9000-000000000001', 'Rope 4', 'sling')
ON CONFLICT (id) DO UPDATE SET type = excluded.type;
SELECT is(pg_temp.both(4), 'sling,  | sling, ', 'an upsert');
SAVEPOINT here;
UPDATE user_core.old_equipment SET type = 'harness' WHERE id = pg_temp.item(4);
ROLLBACK TO here;
SELECT is(pg_temp.both(4), 'sling,  | sling, ', 'a savepoint that is rolled back');
UPDATE user_core.old_equipment SET type = 'rope' WHERE id = pg_temp.item(4);
SELECT is(pg_temp.both(4), 'rope,  | rope, ', 'and what comes after it');

-- New to old.
INSERT INTO gear_ops.gear_items (id, user_id, name, category)
VALUES (pg_temp.item(5), '00000000-0000-4000-9000-000000000001', 'Tent', 'tent');
SELECT is(pg_temp.both(5), 'tent,  | tent, ', 'an insert on the new side');
UPDATE user_core.old_equipment SET last_viewed_at = '2026-11-13' WHERE id = pg_temp.item(5);
UPDATE gear_ops.gear_items SET brand = 'Acme', status = 'maintenance' WHERE id = pg_temp.item(5);
SELECT is(pg_temp.both(5), 'tent, Acme | tent, Acme', 'an update on the new side');
SELECT is(
    (SELECT last_viewed_at FROM user_core.old_equipment WHERE id = pg_temp.item(5)), '2026-11-13',
    'leaves what only the old system knows'
);
UPDATE gear_ops.gear_items SET id = pg_temp.item(15) WHERE id = pg_temp.item(5);
SELECT is(pg_temp.both(15), 'tent, Acme | tent, Acme', 'a change of key on the new side');
DELETE FROM gear_ops.gear_items WHERE id = pg_temp.item(15);
SELECT is_empty(
    $$ SELECT FROM user_core.old_equipment WHERE id IN (pg_temp.item(5), pg_temp.item(15)) $$,
    'a delete on the new side'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_items (user_id, name)
       VALUES ('00000000-0000-4000-9000-00000000000f', 'Nobody''s') $$,
    '23503', NULL, 'what the old side refuses fails the new system'
);
SELECT throws_ok(
    $$ INSERT INTO gear_ops.gear_items (id, user_id, name)
       VALUES (pg_temp.item(4), '00000000-0000-4000-9000-000000000001', 'Twice') $$,
    '23505', NULL, 'as does a key that is taken'
);

-- The new side fails.
DELETE FROM pgtandem.recheck;
ALTER TABLE gear_ops.gear_items ADD CONSTRAINT no_stove CHECK (category <> 'stove');
SELECT lives_ok(
    $$ UPDATE user_core.old_equipment SET type = 'stove' WHERE id = pg_temp.item(4) $$,
    'the old system does not notice'
);
SELECT is(pg_temp.both(4), 'stove,  | rope, ', 'its write stays');
SELECT results_eq(
    $$ SELECT key ->> 0, reason, sqlstate, message LIKE '%no_stove%', attempts
       FROM pgtandem.failures $$,
    $$ VALUES (pg_temp.item(4)::text, 'sync', '23514', true, 0) $$,
    'it is recorded, with its error'
);
ALTER TABLE gear_ops.gear_items DROP CONSTRAINT no_stove;
SELECT results_eq(
    $$ SELECT settled, failed FROM pgtandem._drain_batch('gear') $$, $$ VALUES (1, 0) $$,
    'and repaired by a drain'
);
SELECT is(pg_temp.both(4), 'stove,  | stove, ', 'so that both sides agree');
SELECT isnt(
    (SELECT repaired_at FROM pgtandem.sync_failure WHERE key ->> 0 = pg_temp.item(4)::text), NULL,
    'which is recorded, too'
);

-- A row without its counterpart, and one that is changed on its way.
SELECT set_config('pgtandem_gear.depth', '0', true);
DELETE FROM user_core.old_equipment WHERE id = pg_temp.item(2);
SELECT set_config('pgtandem_gear.depth', '', true);
SELECT throws_ok(
    $$ UPDATE gear_ops.gear_items SET brand = 'Lost' WHERE id = pg_temp.item(2) $$,
    'TD013', NULL, 'TD013: a row that the old side has not'
);
CREATE FUNCTION pg_temp.shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.brand := upper(NEW.brand);
    RETURN NEW;
END;
$$;
CREATE TRIGGER shout BEFORE UPDATE ON user_core.old_equipment
    FOR EACH ROW EXECUTE FUNCTION pg_temp.shout();
SELECT throws_ok(
    $$ UPDATE gear_ops.gear_items SET brand = 'quiet' WHERE id = pg_temp.item(4) $$,
    'TD011', NULL, 'TD011: a value that does not survive'
);
DROP TRIGGER shout ON user_core.old_equipment;
CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON gear_ops.gear_items
    FOR EACH ROW EXECUTE FUNCTION pg_temp.shout();
UPDATE user_core.old_equipment SET brand = 'quiet' WHERE id = pg_temp.item(4);
SELECT results_eq(
    $$ SELECT sqlstate, message FROM pgtandem.failures WHERE key ->> 0 = pg_temp.item(4)::text $$,
    $$ VALUES ('TD010',
               format('the target gear_ops.gear_items did not keep the image of key ["%s"]',
                               pg_temp.item(4))) $$,
    'TD010: a target that does not keep what it is given'
);
SELECT throws_ok(
    $$ SELECT pgtandem._settle('gear', jsonb_build_array(pg_temp.item(4))) $$,
    'TD010', NULL, 'TD010: not from a drain either'
);
DROP TRIGGER shout ON gear_ops.gear_items;

-- TRUNCATE.
SELECT throws_ok(
    $$ TRUNCATE user_core.old_equipment $$, 'TD014',
    'user_core.old_equipment is being moved by the mapping "gear" and cannot be truncated',
    'TD014: TRUNCATE of the old table'
);
SELECT throws_ok(
    $$ TRUNCATE gear_ops.gear_items CASCADE $$, 'TD014',
    'gear_ops.gear_items is being moved by the mapping "gear" and cannot be truncated',
    'TD014: TRUNCATE of the new one'
);

-- What others use.
SELECT ok(pgtandem_gear.copy_is_open(), 'the copy is open');
SELECT results_eq(
    $$ SELECT count(*) FROM generate_series(0, 1000) AS b,
              pgtandem_gear.chunk_keys('user_core.old_equipment', b, b + 1) $$,
    $$ SELECT count(*) FROM user_core.old_equipment $$,
    'the keys of a range of blocks'
);
SELECT ok(
    NOT has_function_privilege('old_app', f.oid, 'EXECUTE')
    AND NOT has_function_privilege('new_app', f.oid, 'EXECUTE'),
    format('no application may call %s', f.oid)
)
FROM (VALUES ('pgtandem_gear.settle(jsonb)'::regprocedure),
             ('pgtandem_gear.copy_chunk(regclass, bigint, bigint, text)')) AS f (oid);

SELECT * FROM finish();

ROLLBACK;
