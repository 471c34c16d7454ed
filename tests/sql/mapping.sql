-- Tests pgtandem:mapping. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(30);

DELETE FROM pgtandem.mapping;
CREATE SCHEMA shop;
CREATE TABLE shop.old (id integer PRIMARY KEY, name text);
CREATE TABLE shop.new (id integer PRIMARY KEY, name text);
CREATE VIEW shop.seen AS SELECT * FROM shop.old;
CREATE TABLE shop.parent (id integer);
CREATE TABLE shop.child () INHERITS (shop.parent);
CREATE TABLE shop.parts (id integer) PARTITION BY RANGE (id);
CREATE TABLE shop.part PARTITION OF shop.parts DEFAULT;

SELECT columns_are('pgtandem', 'mapping', ARRAY[
    'name', 'hash', 'source', 'target', 'key', 'phase', 'copy_state', 'copy_strategy',
    'copy_changed', 'sweep', 'paused_by', 'settings', 'rendered_by', 'deployed_at', 'deployed_by'
]);
SELECT col_is_pk('pgtandem', 'mapping', 'name', 'name is the key');

-- mapping_of, of none
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.mapping_of('geer') $$),
    ARRAY['TD001', 'no mapping named "geer" is deployed in this database', 'Deployed: none.',
          'Mend the name, or: sqitch deploy --to NAME_expand'],
    'TD001: nothing is deployed'
);

-- register_mapping
SELECT lives_ok(
    $$ SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.old', 'shop.new',
                                        ARRAY['id'], '{"gate": {}}', '0.1.0') $$,
    'a mapping is registered'
);
SELECT results_eq(
    $$ SELECT name, hash, source, target, key, phase, copy_state, copy_strategy, paused_by,
              settings, rendered_by, deployed_by
       FROM pgtandem.mapping $$,
    $$ VALUES ('shop', repeat('a', 64), 'shop.old'::regclass, 'shop.new'::regclass, ARRAY['id'],
               'expand', 'none', 'insert', NULL::text, '{"gate": {}}'::jsonb, '0.1.0',
               session_user::text COLLATE "default") $$,
    'as it was given, at its beginning'
);
UPDATE pgtandem.mapping SET phase = 'sync', copy_state = 'open';
SELECT lives_ok(
    $$ SELECT pgtandem.register_mapping('shop', repeat('b', 64), 'shop.old', 'shop.new',
                                        ARRAY['id', 'name'], '{}', '0.2.0') $$,
    'and replaced'
);
SELECT results_eq(
    $$ SELECT hash, key, phase, copy_state, settings, rendered_by FROM pgtandem.mapping $$,
    $$ VALUES (repeat('b', 64), ARRAY['id', 'name'], 'sync', 'open', '{}'::jsonb, '0.2.0') $$,
    'which leaves it in its phase'
);
SELECT pgtandem.register_mapping('shop', repeat('c', 64), 'shop.parts', 'shop.new', ARRAY['id'],
                                 '{}', '0.2.0');
SELECT results_eq(
    $$ SELECT source, phase FROM pgtandem.mapping $$,
    $$ VALUES ('shop.parts'::regclass, 'expand') $$,
    'unless its table is another, which may be partitioned'
);
SELECT results_eq(
    $$ SELECT detail ->> 'hash' FROM pgtandem.event
       WHERE mapping = 'shop' AND kind = 'register' ORDER BY id $$,
    $$ VALUES (repeat('a', 64)), (repeat('b', 64)), (repeat('c', 64)) $$,
    'each of them is logged'
);
SELECT pgtandem.register_mapping('shop', repeat('d', 64), 'shop.parts', 'shop.new', ARRAY['id'],
                                 '{"merge": {"wins": "source"}}', '0.2.0');
UPDATE pgtandem.mapping SET phase = 'sync';
SELECT pgtandem.register_mapping('shop', repeat('e', 64), 'shop.parts', 'shop.new', ARRAY['id'],
                                 '{"merge": {"wins": "target"}}', '0.2.0');
SELECT is((SELECT phase FROM pgtandem.mapping), 'sync', 'a merge may get another rule');
SELECT pgtandem.register_mapping('shop', repeat('c', 64), 'shop.parts', 'shop.new', ARRAY['id'],
                                 '{}', '0.2.0');
SELECT is(
    (SELECT phase FROM pgtandem.mapping), 'expand',
    'where it is one no longer, nothing was in sync: the target may hold rows of its own'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.register_mapping('v', repeat('a', 64), 'shop.seen',
                               'shop.new', ARRAY['id'], '{}', '0.1.0') $$),
    ARRAY['TD002', 'the source shop.seen is not an ordinary or partitioned table', '',
          'Name the table that the application writes, not a view of it.'],
    'TD002: a view'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.register_mapping('p', repeat('a', 64), 'shop.parent',
                               'shop.new', ARRAY['id'], '{}', '0.1.0') $$),
    ARRAY['TD002', 'the source shop.parent has inheritance children',
          'Row triggers of a parent do not fire for its inheritance children.',
          'Write one mapping for each child, or use declarative partitions.'],
    'TD002: a parent of another kind than partitions'
);
ALTER TABLE shop.old ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.register_mapping('r', repeat('a', 64), 'shop.old',
                               'shop.new', ARRAY['id'], '{}', '0.1.0') $$),
    ARRAY['TD002', 'row level security may hide rows of shop.old from ' || current_user,
          'They would be neither copied nor compared nor archived.',
          'ALTER TABLE shop.old NO FORCE ROW LEVEL SECURITY; or let a role with BYPASSRLS deploy.'],
    'TD002: rows that the owner does not see'
);
ALTER TABLE shop.old DISABLE ROW LEVEL SECURITY;
SELECT lives_ok($$ SELECT pgtandem.require_all_rows('shop.old') $$, 'without it, all are seen');
SELECT throws_ok(
    format($$ SELECT pgtandem.register_mapping(%L, repeat('a', 64), 'shop.old', 'shop.new',
                                               ARRAY['id'], '{}', '0.1.0') $$, bad.name),
    '23514', NULL, format('no mapping is called "%s"', bad.name)
)
FROM (VALUES (''), ('Shop'), ('1shop'), (repeat('a', 42))) AS bad (name);
SELECT throws_ok(
    $$ SELECT pgtandem.register_mapping('h', 'abc', 'shop.old', 'shop.new', ARRAY['id'], '{}',
                                        '1') $$,
    '23514', NULL, 'a hash has 64 digits'
);
SELECT throws_ok(
    $$ SELECT pgtandem.register_mapping('k', repeat('a', 64), 'shop.old', 'shop.new', '{}', '{}',
                                        '1') $$,
    '23514', NULL, 'a key has a column'
);

-- mapping_of
SELECT is((pgtandem.mapping_of('shop')).rendered_by, '0.2.0', 'a mapping by its name');
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.mapping_of('shup') $$))[3], 'Deployed: shop.',
    'TD001 lists those there are'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.mapping_of(NULL) $$))[1], 'TD001', 'TD001 for NULL too'
);

-- set_phase
SELECT lives_ok($$ SELECT pgtandem.set_phase('shop', 'backfill') $$, 'a phase is set');
SELECT results_eq(
    $$ SELECT detail FROM pgtandem.event WHERE mapping = 'shop' AND kind = 'phase' $$,
    $$ VALUES ('{"from": "expand", "to": "backfill"}'::jsonb) $$,
    'and logged'
);
SELECT throws_ok(
    $$ SELECT pgtandem.set_phase('shop', 'cutover') $$, '23514', NULL, 'there are four phases'
);
SELECT throws_ok(
    $$ SELECT pgtandem.set_phase('none', 'sync') $$, 'TD001', NULL, 'of known mappings'
);

-- forget_mapping
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.forget_mapping('shop') $$),
    ARRAY['TD003', 'mapping "shop" is still in phase backfill', '',
          'Revert shop_backfill first: sqitch revert --to shop_expand.'],
    'TD003: only after expand'
);
SELECT pgtandem.set_phase('shop', 'expand');
SELECT results_eq(
    $$ SELECT pgtandem.forget_mapping('shop')::text, (SELECT count(*) FROM pgtandem.mapping) $$,
    $$ VALUES ('', 1::bigint) $$,
    'a mapping is forgotten'
);

SELECT * FROM finish();

ROLLBACK;
