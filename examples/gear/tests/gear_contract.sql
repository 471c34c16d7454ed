-- Tests gear:gear_contract, right after it. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(26);

CREATE FUNCTION pg_temp.item(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;

SELECT results_eq(
    $$ SELECT phase, source FROM pgtandem.mapping WHERE name = 'gear' $$,
    $$ VALUES ('contract', 'user_core_archive.old_equipment'::regclass) $$,
    'the old table is in the archive'
);
SELECT has_view('user_core', 'old_equipment', 'a view stands in its place');
SELECT columns_are('user_core', 'old_equipment', ARRAY[
    'id', 'user_id', 'name', 'type', 'brand', 'created_at', 'last_viewed_at'
]);
SELECT set_eq(
    $$ SELECT id, user_id, name, type, brand, created_at, last_viewed_at
       FROM user_core.old_equipment $$,
    $$ SELECT id, user_id, name, type, brand, created_at, last_viewed_at
       FROM user_core_archive.old_equipment $$,
    'it shows what the old table held'
);
SELECT set_eq(
    $$ SELECT tgname FROM pg_catalog.pg_trigger
       WHERE tgrelid = 'user_core_archive.old_equipment'::regclass AND NOT tgisinternal $$,
    $$ VALUES ('pgtandem_gear_keep'::name), ('pgtandem_gear_keep_all') $$,
    'the archive has no trigger but those that guard it'
);
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'old_app')
           THEN table_privs_are(
                    'user_core'::name, 'old_equipment'::name, 'old_app'::name,
                    ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']::name[]
                )
           ELSE skip('no role old_app')
       END;
SELECT is(
    (SELECT count(*) FROM pgtandem.event
     WHERE mapping = 'gear' AND kind = 'contract' AND detail ? 'comparison_clean'),
    1::bigint, 'what was proven is on record'
);

-- Stragglers write the view.
INSERT INTO user_core.users (id, name, email)
VALUES ('00000000-0000-4000-9000-000000000001', 'Test', 'gear_contract@example.invalid');
INSERT INTO user_core.old_equipment (id, user_id, name, type, last_viewed_at)
VALUES (pg_temp.item(1), '00000000-0000-4000-9000-000000000001', 'Rope', 'rope', '2026-11-13');
SELECT results_eq(
    $$ SELECT name, category, status, role FROM gear_ops.gear_items WHERE id = pg_temp.item(1) $$,
    $$ VALUES ('Rope'::varchar, 'rope'::varchar, 'active'::varchar, 'personal'::varchar) $$,
    'an insert reaches the new table'
);
SELECT is(
    (SELECT last_viewed_at FROM user_core.old_equipment WHERE id = pg_temp.item(1)), '2026-11-13',
    'the archive keeps what only the old system knows'
);
SELECT lives_ok(
    $$ INSERT INTO user_core.old_equipment (user_id, name)
       VALUES ('00000000-0000-4000-9000-000000000001', 'Sling') $$,
    'the defaults of the old table still hold'
);
SELECT results_eq(
    $$ SELECT id IS NOT NULL, created_at FROM user_core.old_equipment WHERE name = 'Sling'
       AND user_id = '00000000-0000-4000-9000-000000000001' $$,
    $$ VALUES (true, now()) $$,
    'for the key, too'
);
UPDATE user_core.old_equipment SET brand = 'Acme' WHERE id = pg_temp.item(1);
SELECT is(
    (SELECT brand FROM gear_ops.gear_items WHERE id = pg_temp.item(1)), 'Acme', 'an update'
);
UPDATE user_core.old_equipment SET last_viewed_at = '2026-11-14' WHERE id = pg_temp.item(1);
SELECT is(
    (SELECT last_viewed_at FROM user_core.old_equipment WHERE id = pg_temp.item(1)), '2026-11-14',
    'an update of what only the old system knows'
);
SELECT lives_ok(
    $$ SELECT id FROM user_core.old_equipment WHERE id = pg_temp.item(1) FOR UPDATE $$,
    'a row can be locked'
);
UPDATE gear_ops.gear_items SET brand = 'Other', status = 'retired' WHERE id = pg_temp.item(1);
SELECT is(
    (SELECT brand FROM user_core.old_equipment WHERE id = pg_temp.item(1)), 'Other',
    'the new system''s writes are seen at once'
);
SELECT throws_ok(
    $$ INSERT INTO user_core.old_equipment (id, user_id, name)
       VALUES (pg_temp.item(1), '00000000-0000-4000-9000-000000000001', 'Twice') $$,
    '23505', NULL, 'a key can be there once'
);
SELECT throws_ok(
    $$ INSERT INTO user_core.old_equipment (user_id, name)
       VALUES ('00000000-0000-4000-9000-00000000000f', 'Nobody''s') $$,
    '23503', NULL, 'an item without a user is refused'
);
DELETE FROM user_core.old_equipment WHERE name = 'Sling'
    AND user_id = '00000000-0000-4000-9000-000000000001';
SELECT is_empty(
    $$ SELECT FROM gear_ops.gear_items WHERE name = 'Sling'
       AND user_id = '00000000-0000-4000-9000-000000000001' $$,
    'a delete'
);

-- For the way back, each written key is noted.
SELECT set_has(
    $$ SELECT key ->> 0, side, reason FROM pgtandem.recheck WHERE mapping = 'gear' $$,
    $$ VALUES (pg_temp.item(1)::text, 'source', 'contract') $$,
    'each key that is written is noted'
);
DELETE FROM pgtandem.recheck WHERE mapping = 'gear';
UPDATE gear_ops.gear_items SET status = 'active' WHERE id = pg_temp.item(1);
SELECT is_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'gear' $$,
    'but for what the old table never held'
);
SELECT lives_ok(
    $$ SELECT pgtandem_gear.settle_source(jsonb_build_array(pg_temp.item(1))) $$,
    'a noted key is carried back'
);
SELECT results_eq(
    $$ SELECT brand, last_viewed_at FROM user_core_archive.old_equipment
       WHERE id = pg_temp.item(1) $$,
    $$ VALUES ('Other'::varchar, '2026-11-14'::timestamptz) $$,
    'into the archive'
);
DELETE FROM gear_ops.gear_items WHERE id = pg_temp.item(1);
SELECT pgtandem_gear.settle_source(jsonb_build_array(pg_temp.item(1)));
SELECT is_empty(
    $$ SELECT FROM user_core_archive.old_equipment WHERE id = pg_temp.item(1) $$,
    'a delete is carried back as well'
);
SELECT throws_ok(
    $$ TRUNCATE gear_ops.gear_items CASCADE $$, 'TD014', NULL, 'TD014: TRUNCATE is still refused'
);

-- What this phase refuses.
SELECT throws_ok(
    $$ SELECT pgtandem._drain_check('gear') $$, 'TD006', NULL,
        'TD006: there is no sync to drain for'
);
SELECT throws_ok(
    $$ SELECT pgtandem._backfill_start('gear', NULL) $$, 'TD007', NULL, 'TD007: nothing to backfill'
);

SELECT * FROM finish();

ROLLBACK;
