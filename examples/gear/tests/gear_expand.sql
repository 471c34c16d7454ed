-- Tests gear:gear_expand, right after it: nothing keeps the tables equal yet. Changes nothing;
-- needs pgTAP in the search path.

BEGIN;

SELECT plan(17);

SELECT columns_are('pgtandem_gear', 'image', ARRAY[
    'id', 'user_id', 'name', 'category', 'brand', 'created_at', 'status', 'role', 'updated_at'
]);
SELECT isnt(obj_description(o.oid, o.catalog), NULL, o.what || ' has a comment')
FROM (VALUES
    ('pgtandem_gear'::regnamespace::oid, 'pg_namespace', 'the schema'),
    ('pgtandem_gear.image'::regclass, 'pg_class', 'the image'),
    ('pgtandem_gear.compared(uuid, uuid)'::regprocedure, 'pg_proc', 'compared'),
    ('pgtandem_gear.compared_keys(jsonb)'::regprocedure, 'pg_proc', 'compared_keys')
) AS o (oid, catalog, what);
SELECT results_eq(
    $$ SELECT source, target, key, settings #>> '{sync,mode}', settings #>> '{contract,archive}'
       FROM pgtandem.mapping WHERE name = 'gear' $$,
    $$ VALUES ('user_core.old_equipment'::regclass, 'gear_ops.gear_items'::regclass, ARRAY['id'],
               'record', 'user_core_archive') $$,
    'the database knows the mapping'
);

INSERT INTO user_core.users (id, name, email)
VALUES ('00000000-0000-4000-8000-000000000001', 'Test', 'gear_expand@example.invalid');
INSERT INTO user_core.old_equipment (id, user_id, name, type, brand, created_at, last_viewed_at)
VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', '',
        NULL, '', '1970-01-01', now()),
       ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000001',
        'Seil 🧗', 'rope', 'Acme', '2026-11-13', NULL);

SELECT results_eq(
    $$ SELECT name, category, brand, created_at, status, role, updated_at FROM pgtandem_gear.image
       WHERE user_id = '00000000-0000-4000-8000-000000000001' ORDER BY id $$,
    $$ VALUES (''::varchar, NULL::varchar, ''::varchar, '1970-01-01'::timestamptz, 'active',
               'personal', '1970-01-01'::timestamptz),
              ('Seil 🧗', 'rope', 'Acme', '2026-11-13', 'active', 'personal', '2026-11-13') $$,
    'the image is what gear_items should hold'
);
SELECT is_empty(
    $$ SELECT FROM gear_ops.gear_items WHERE user_id = '00000000-0000-4000-8000-000000000001' $$,
    'which nothing has brought there yet'
);

INSERT INTO gear_ops.gear_items (id, user_id, name, category, brand, created_at, status)
VALUES ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000001',
        'Seil 🧗', 'rope', NULL, '2026-11-13', 'retired'),
       ('00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000001',
        'Tent', NULL, NULL, '2026-11-13', 'active');
SELECT results_eq(
    $$ SELECT key ->> 0, in_source, in_target, changed FROM pgtandem_gear.compared()
       WHERE key ->> 0 LIKE '00000000-0000-4000-8000-%' ORDER BY 1 $$,
    $$ VALUES ('00000000-0000-4000-8000-000000000002', true, false, false),
              ('00000000-0000-4000-8000-000000000003', true, true, true),
              ('00000000-0000-4000-8000-000000000004', false, true, false) $$,
    'a comparison finds what is missing, changed and extra'
);
SELECT results_eq(
    $$ SELECT columns, source ->> 'brand', target ->> 'brand' FROM pgtandem_gear.compared()
       WHERE key = '["00000000-0000-4000-8000-000000000003"]' $$,
    $$ VALUES (ARRAY['brand'], 'Acme', NULL::text) $$,
    'by column, with both values; what the new system owns does not count'
);
SELECT set_eq(
    $$ SELECT key ->> 0 FROM pgtandem_gear.compared('00000000-0000-4000-8000-000000000003',
                                                    '00000000-0000-4000-8000-000000000004') $$,
    $$ VALUES ('00000000-0000-4000-8000-000000000003') $$,
    'in a range of keys, too'
);
SELECT set_eq(
    $$ SELECT key ->> 0, in_source, in_target
       FROM pgtandem_gear.compared_keys('[["00000000-0000-4000-8000-000000000004"],
                                          ["00000000-0000-4000-8000-000000000009"]]') $$,
    $$ VALUES ('00000000-0000-4000-8000-000000000004', false, true),
              ('00000000-0000-4000-8000-000000000009', false, false) $$,
    'or of single keys, of which one is nowhere'
);
SELECT is(
    (SELECT array_agg(p.proparallel::text) FROM pg_catalog.pg_proc AS p
     WHERE p.pronamespace = 'pgtandem_gear'::regnamespace AND p.proname LIKE 'compared%'),
    ARRAY['s', 's'], 'comparisons may run in parallel'
);

-- What the phases before the triggers refuse.
SELECT throws_ok(
    $$ SELECT pgtandem._backfill_start('gear', NULL) $$, 'TD007', NULL, 'TD007: nothing to backfill'
);
SELECT throws_ok(
    $$ SELECT pgtandem._drain_check('gear') $$, 'TD006', NULL, 'TD006: nothing to drain'
);
SELECT throws_ok(
    $$ SELECT pgtandem.require_complete('gear') $$, 'TD019', NULL, 'TD019: nothing is complete'
);
SELECT lives_ok(
    $$ SELECT pgtandem.forget_mapping('gear') $$, 'the mapping can still be forgotten'
);

SELECT * FROM finish();

ROLLBACK;
