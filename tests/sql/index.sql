-- Tests pgtandem:index, on gear. Changes nothing; needs pgTAP in the search path. Builds, and what
-- interrupts them: tests/test_indexes.py.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(30);

SELECT columns_are('pgtandem', 'target_index', ARRAY[
    'mapping', 'name', 'definition', 'query', 'built_at'
]);
SELECT fk_ok('pgtandem', 'target_index', 'mapping', 'pgtandem', 'mapping', 'name');

CREATE SCHEMA shop;
CREATE TABLE shop."It em" (id integer PRIMARY KEY, gone text, "na me" text, doc jsonb);
ALTER TABLE shop."It em" DROP COLUMN gone;
CREATE UNIQUE INDEX "by name" ON shop."It em" (lower("na me") DESC, id) WHERE id > 7;
CREATE TABLE shop.other (id integer, "na me" text);
CREATE INDEX by_id ON shop.other (id);

-- _definition_of, _index_definition, _index_of
SELECT is(pgtandem._definition_of('shop."by name"'),
          'UNIQUE USING btree (lower("na me") DESC, id) WHERE (id > 7)', 'as PostgreSQL writes it');
SELECT is(
    pgtandem._index_definition('shop."It em"', true,
                               'USING btree (lower ( "na me" ) DESC NULLS FIRST,id) WHERE id>7'),
    'UNIQUE USING btree (lower("na me") DESC, id) WHERE (id > 7)',
    'the same, however it is written'
);
SELECT is(to_regclass('pg_temp.pgtandem_indexed'), NULL, 'nothing is left of the copy');
SELECT is(pgtandem._index_of('shop."It em"', 'by name'), 'shop."by name"'::regclass,
          'an index by its name');
SELECT is(pgtandem._index_of('shop."It em"', 'by Name'), NULL, 'which is taken as it is');

-- index_state
SELECT is(pgtandem.index_state('shop."It em"', 'new', false, 'USING gin (doc)'), 'missing',
          'it is missing');
SELECT is(
    pgtandem.index_state('shop."It em"', 'by name', true,
                         'USING btree (lower("na me") DESC, id) WHERE (id > 7)'),
    'valid', 'it is there'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.index_state('shop."It em"', 'by name', false,
                                                    'USING btree (id)') $$),
    ARRAY['TD031',
          'the name shop."by name" is taken by something else than the index of the mapping',
          'The mapping: USING btree (id). There is: CREATE UNIQUE INDEX "by name" ON shop."It em" '
          'USING btree (lower("na me") DESC, id) WHERE (id > 7).',
          'Give the index of the mapping another name, or drop what has this one: '
          'DROP INDEX CONCURRENTLY shop."by name";'],
    'TD031: it is another one'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.index_state('shop."It em"', 'by_id', false,
                                                     'USING btree (id)') $$))[1],
    'TD031', 'TD031: it is on another table'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.index_state('shop."It em"', 'other', false,
                                                     'USING btree (id)') $$))[3],
    'The mapping: USING btree (id). There is: no index.', 'TD031: it is no index'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.index_state('shop."It em"', 'new', false,
                                                     'USING btree (nothing)') $$))[1],
    '42703', 'what PostgreSQL cannot build is its error'
);

-- require_index
SELECT is(pgtandem.require_index('shop.other', 'by_id', false, 'USING btree (id)')::text, '',
          'it is there and valid');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_index('shop.other', 'new', false,
                                                      'USING btree (id)') $$),
    ARRAY['TD032', 'the index new of shop.other is missing', '',
          'Revert and deploy the index change of the mapping: it builds it.'],
    'TD032: it is not there'
);

-- begin_indexes
SELECT is(pgtandem.begin_indexes('gear')::text, '', 'this session may build');
SELECT throws_ok(
    $$ SELECT pgtandem.begin_indexes('none') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);
CREATE TABLE shop.parts (id integer) PARTITION BY RANGE (id);
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.other', 'shop.parts', ARRAY['id'],
                                 '{}', '0.1.0');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.begin_indexes('shop') $$),
    ARRAY['TD033', 'the target shop.parts is partitioned: its indexes cannot be built CONCURRENTLY',
          '', 'Build them partition by partition in a change of your own, and attach them; take '
          'them out of the mapping.'],
    'TD033: the target is partitioned'
);

-- index_failed
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.index_failed('by_id', '23505', 'could not') $$),
    ARRAY['TD034', 'the index by_id could not be built',
          'could not (SQLSTATE 23505). Nothing of it is left.',
          'Two rows have one value: the error above names it. Mend them on both sides, and deploy '
          'again.'],
    'TD034: two rows with one value'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.index_failed('by_id', '40P01', 'deadlock') $$))[4],
    'Deploy again when the cause is mended; 40P01 and 57014 only need another try.',
    'TD034: anything else'
);

-- register_index, forget_index
SELECT pgtandem.register_index('gear', 'by_brand', 'USING btree (brand)', NULL);
SELECT pgtandem.register_index('gear', 'by_brand', 'USING hash (brand)', 'SELECT 1');
SELECT results_eq(
    $$ SELECT name, definition, query FROM pgtandem.target_index $$,
    $$ VALUES ('by_brand', 'USING hash (brand)', 'SELECT 1') $$, 'what was built last'
);
SELECT is(
    (SELECT count(*) FROM pgtandem.event
     WHERE mapping = 'gear' AND kind = 'index' AND detail = '{"built": "by_brand"}'),
    2::bigint, 'each build is logged'
);
SELECT pgtandem.forget_index('gear', 'by_brand');
SELECT pgtandem.forget_index('gear', 'by_brand');
SELECT is_empty($$ SELECT FROM pgtandem.target_index $$, 'it is forgotten');
SELECT is(
    (SELECT count(*) FROM pgtandem.event
     WHERE mapping = 'gear' AND kind = 'index' AND detail = '{"dropped": "by_brand"}'),
    1::bigint, 'which is logged once'
);

-- uses_index
INSERT INTO shop.other SELECT n, 'n' || n FROM generate_series(1, 5000) AS n;
ANALYZE shop.other;
SELECT is(pgtandem.uses_index('SELECT * FROM shop.other WHERE id = 7', 'by_id'), true,
          'the planner would use it');
SELECT is(pgtandem.uses_index('SELECT * FROM shop.other WHERE id > 7', 'by_id'), false,
          'it would not');
SELECT is(pgtandem.uses_index('SELECT * FROM shop.other WHERE id = 7', 'by'), false,
          'nor use another');
SELECT is(pgtandem.uses_index(NULL, 'by_id'), NULL, 'there is no query');
SELECT is(pgtandem.uses_index('SELECT * FROM shop.nothing', 'by_id'), NULL,
          'the query cannot be planned');
SELECT is(
    pgtandem.uses_index('SELECT * FROM shop.other AS a JOIN shop.other AS b USING (id) '
                        'WHERE a.id = 7 LIMIT 1', 'by_id'),
    true, 'deep in a plan'
);

SELECT * FROM finish();

ROLLBACK;
