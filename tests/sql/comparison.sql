-- Tests pgtandem:comparison, on gear. Changes nothing; needs pgTAP in the search path. The
-- procedure itself commits: tests/test_routines.py.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(45);

SELECT columns_are('pgtandem', 'comparison', ARRAY[
    'id', 'mapping', 'hash', 'scope', 'started_at', 'finished_at', 'snapshot', 'source_rows',
    'target_rows', 'missing', 'extra', 'changed', 'source_reads', 'role'
]);
SELECT columns_are('pgtandem', 'difference', ARRAY[
    'comparison', 'key', 'kind', 'area', 'column_name', 'source_value', 'target_value'
]);
SELECT columns_are('pgtandem', 'comparison_area', ARRAY[
    'comparison', 'place', 'area', 'columns', 'changed'
]);
SELECT col_is_pk('pgtandem', 'comparison', 'id', 'id is the key');
SELECT fk_ok('pgtandem', 'comparison', 'mapping', 'pgtandem', 'mapping', 'name');
SELECT fk_ok('pgtandem', 'difference', 'comparison', 'pgtandem', 'comparison', 'id');

SELECT fk_ok('pgtandem', 'comparison_area', 'comparison', 'pgtandem', 'comparison', 'id');

-- areas_of
SELECT is_empty($$ SELECT * FROM pgtandem.areas_of('gear') $$, 'gear has no areas');
SELECT is_empty($$ SELECT * FROM pgtandem.areas_of('none') $$, 'nor has an unknown mapping');
UPDATE pgtandem.mapping
SET settings = settings || '{"areas": [{"area": "what", "columns": ["name", "category"]},
                                       {"area": null, "columns": ["brand"]}]}'
WHERE name = 'gear';
SELECT results_eq(
    $$ SELECT * FROM pgtandem.areas_of('gear') ORDER BY place $$,
    $$ VALUES (1, 'what', '{name,category}'::text[]), (2, NULL, '{brand}') $$,
    'in their order, the columns that are in none at the end'
);

-- explain_difference
SELECT results_eq(
    $$ SELECT * FROM pgtandem.explain_difference(true, false, '{}', '{"a": "1"}', '{"a": null}') $$,
    $$ VALUES ('missing', NULL::text, '{"a": "1"}', NULL::text) $$,
    'a row that is missing'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem.explain_difference(false, true, '{}', '{"a": null}', '{"a": "1"}') $$,
    $$ VALUES ('extra', NULL::text, NULL::text, '{"a": "1"}') $$,
    'a row that is too many'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem.explain_difference(
           true, true, '{a,b}', '{"a": "1", "b": null, "c": "5"}',
           '{"a": "2", "b": "", "c": "5"}') $$,
    $$ VALUES ('changed', 'a', '1', '2'), ('changed', 'b', NULL::text, '') $$,
    'a row with two columns that differ, one of them by NULL'
);
SELECT is_empty(
    $$ SELECT * FROM pgtandem.explain_difference(true, true, '{}', '{"a": "1"}', '{"a": "1"}') $$,
    'a row that is equal'
);
SELECT is(
    (SELECT max(length(source_value)) FROM pgtandem.explain_difference(
         true, true, '{a}', jsonb_build_object('a', repeat('x', 5000)), '{"a": "y"}')),
    1000, 'long values are cut'
);

-- save_comparison
CREATE TEMPORARY TABLE saved AS
SELECT pgtandem.save_comparison('gear', repeat('b', 64), 'sample', now(), '1:2:', 10, 9, 3, 2, 1)
    AS id;
SELECT results_eq(
    $$ SELECT mapping, hash, scope, started_at, finished_at > now(), snapshot, source_rows,
              target_rows, missing, extra, changed, role
       FROM pgtandem.comparison WHERE id = (SELECT id FROM saved) $$,
    $$ VALUES ('gear', repeat('b', 64), 'sample', now(), true, '1:2:', 10::bigint, 9::bigint,
               3::bigint, 2::bigint, 1::bigint, session_user::text COLLATE "default") $$,
    'a comparison is stored as it was given'
);
SELECT is(
    (SELECT detail - 'comparison' FROM pgtandem.event WHERE kind = 'comparison'),
    '{"scope": "sample", "source_rows": 10, "target_rows": 9, "differences": 6}', 'and logged'
);
SELECT throws_ok(
    $$ SELECT pgtandem.save_comparison('none', '', 'full', now(), '', 0, 0, 0, 0, 0) $$,
    'TD001', NULL, 'TD001: of a mapping that is known'
);
SELECT throws_ok(
    $$ SELECT pgtandem.save_comparison('gear', '', 'half', now(), '', 0, 0, 0, 0, 0) $$,
    '23514', NULL, 'as full or sample'
);
SELECT throws_ok(
    $$ SELECT pgtandem.save_comparison('gear', '', 'full', 'infinity', '', 0, 0, 0, 0, 0) $$,
    '23514', NULL, 'and not before it began'
);

-- key_cuts
SELECT is(pgtandem.key_cuts('gear', 4), '{}', 'an empty target has no cuts');
SELECT pg_temp.old_items(1, 100);
SELECT pg_temp.unseen(true);
INSERT INTO gear_ops.gear_items
    (id, user_id, name, category, brand, created_at, status, role, updated_at)
SELECT id, user_id, name, category, brand, created_at, status, role, updated_at
FROM pgtandem_gear.image;
SELECT pg_temp.unseen(false);
SELECT is(pgtandem.key_cuts('gear', 1), '{}', 'one part needs none');
SELECT is(
    pgtandem.key_cuts('gear', 4),
    ARRAY[pg_temp.item(25), pg_temp.item(50), pg_temp.item(75)]::text[], 'four parts need three'
);
SELECT throws_ok(
    $$ SELECT pgtandem.key_cuts('none', 4) $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

-- reads_of
SELECT is(pgtandem.reads_of('saved'), 0::bigint, 'a table of this transaction has no scans yet');
SELECT cmp_ok(pgtandem.reads_of('pg_catalog.pg_class'), '>', 0::bigint, 'an old one has');

-- require_unique_image
SELECT is(pgtandem.require_unique_image('gear')::text, '', 'a unique index proves it');
CREATE SCHEMA pgtandem_shop;
CREATE TABLE pgtandem_shop.image AS VALUES (1, 'a'), (2, 'b'), (2, 'b');
ALTER TABLE pgtandem_shop.image RENAME column1 TO id;
CREATE TABLE pg_temp.goal (id integer);
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'pgtandem_shop.image', 'goal',
                                 ARRAY['id'],
                                 '{}', '0.1.0');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_unique_image('shop') $$),
    ARRAY['TD025', 'the source pgtandem_shop.image has 1 keys more than once',
          'For example [2]. The target can hold one row of a key.',
          'Mend the rows, or choose a key for the mapping that is unique.'],
    'TD025: two rows have one key'
);
DELETE FROM pgtandem_shop.image WHERE id = 2;
SELECT is(pgtandem.require_unique_image('shop')::text, '', 'or the rows do');
SELECT throws_ok(
    $$ SELECT pgtandem.require_unique_image('none') $$, 'TD001', NULL,
    'TD001: the mapping is unknown'
);

-- sample_keys
SELECT is(
    (SELECT count(DISTINCT k) FROM pgtandem.sample_keys('gear', 10) AS k), 10::bigint,
    'a sample of ten keys'
);
SELECT is(
    (SELECT count(DISTINCT k) FROM pgtandem.sample_keys('gear', 1000) AS k), 100::bigint,
    'or of all that there are'
);
SELECT throws_ok(
    $$ SELECT pgtandem.sample_keys('none', 10) $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

-- _compare
CREATE TEMPORARY TABLE compared AS SELECT pgtandem._compare('gear') AS id;
SELECT results_eq(
    $$ SELECT hash, scope, source_rows, target_rows, missing, extra, changed
       FROM pgtandem.comparison WHERE id = (SELECT id FROM compared) $$,
    $$ SELECT (pgtandem.mapping_of('gear')).hash, 'full', 100::bigint, 100::bigint, 0::bigint,
              0::bigint, 0::bigint $$,
    'both sides are equal'
);
SELECT is_empty($$ SELECT FROM pgtandem.difference $$, 'so there are no differences');
SELECT results_eq(
    $$ SELECT place, area, changed FROM pgtandem.comparison_area ORDER BY place $$,
    $$ VALUES (1, 'what', 0::bigint), (2, NULL, 0) $$,
    'in no area'
);
SELECT pg_temp.unseen(true);
UPDATE gear_ops.gear_items SET status = 'retired', updated_at = now() WHERE id = pg_temp.item(1);
UPDATE gear_ops.gear_items SET brand = '', category = 'tent' WHERE id = pg_temp.item(2);
DELETE FROM gear_ops.gear_items WHERE id = pg_temp.item(3);
DELETE FROM user_core.old_equipment WHERE id = pg_temp.item(4);
UPDATE user_core.old_equipment SET last_viewed_at = now() WHERE id = pg_temp.item(5);
SELECT pg_temp.unseen(false);
UPDATE compared SET id = pgtandem._compare('gear');
SELECT results_eq(
    $$ SELECT source_rows, target_rows, missing, extra, changed
       FROM pgtandem.comparison WHERE id = (SELECT id FROM compared) $$,
    $$ VALUES (99::bigint, 99::bigint, 1::bigint, 1::bigint, 1::bigint) $$,
    'one is missing, one extra, one changed'
);
SELECT results_eq(
    $$ SELECT key, kind, column_name, source_value, target_value FROM pgtandem.difference
       WHERE comparison = (SELECT id FROM compared) AND kind = 'changed' ORDER BY column_name $$,
    $$ VALUES (pg_temp.item_key(2), 'changed', 'brand', NULL::text, ''),
              (pg_temp.item_key(2), 'changed', 'category', 'rope', 'tent') $$,
    'by key and column; columns of one side alone do not count'
);
SELECT results_eq(
    $$ SELECT key, kind, column_name FROM pgtandem.difference
       WHERE comparison = (SELECT id FROM compared) AND kind <> 'changed' ORDER BY key $$,
    $$ VALUES (pg_temp.item_key(3), 'missing', NULL::text), (pg_temp.item_key(4), 'extra', NULL) $$,
    'or as whole rows'
);
SELECT throws_ok(
    $$ SELECT pgtandem._compare('none') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

SELECT results_eq(
    $$ SELECT place, area, changed FROM pgtandem.comparison_area
       WHERE comparison = (SELECT id FROM compared) ORDER BY place $$,
    $$ VALUES (1, 'what', 1::bigint), (2, NULL, 1) $$,
    'a row counts in each area that it differs in'
);
SELECT results_eq(
    $$ SELECT column_name, area FROM pgtandem.difference
       WHERE comparison = (SELECT id FROM compared) AND kind = 'changed' ORDER BY column_name $$,
    $$ VALUES ('brand', NULL), ('category', 'what') $$,
    'a difference names its area'
);

-- _compare_report
SELECT lives_ok(
    $$ SELECT pgtandem._compare_report((SELECT id FROM compared)) $$, 'it says what it found'
);
DELETE FROM pgtandem.comparison;
SELECT is_empty(
    $$ SELECT FROM pgtandem.difference $$, 'a comparison takes its differences along'
);
SELECT is_empty($$ SELECT FROM pgtandem.comparison_area $$, 'and its areas');

SELECT * FROM finish();

ROLLBACK;
