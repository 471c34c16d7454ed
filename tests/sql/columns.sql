-- Tests pgtandem:columns. Changes nothing; needs pgTAP in the search path. Contract on columns as a
-- whole is tested in tests/test_contract_columns.py.
\ir ../error_of.sql

BEGIN;

SELECT plan(21);

CREATE SCHEMA shop;
CREATE TABLE shop.ref (id integer PRIMARY KEY);
CREATE TABLE shop.old (
    id   integer PRIMARY KEY,
    name text DEFAULT 'x' NOT NULL,
    size integer CONSTRAINT of_ref REFERENCES shop.ref,
    kind integer,
    UNIQUE (kind)
);
CREATE INDEX by_size ON shop.old (size);
COMMENT ON COLUMN shop.old.size IS 'in mm';
CREATE TABLE shop.new (id integer PRIMARY KEY);
INSERT INTO shop.old (id, kind) VALUES (1, 1);
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.old', 'shop.new', ARRAY['id'],
                                 '{"contract": {"columns": ["size", "name"]}}', '0.1.0');

SELECT set_has(
    $$ SELECT * FROM pgtandem.contract_report('shop') $$,
    $$ VALUES ('ok      no_dependents: none'),
              ('NOT YET comparison_recent: none. pgtandem verify shop'),
              ('goes along, and comes back with a revert: NOT NULL of name'),
              ('goes along, and comes back with a revert: 1 comments') $$,
    'what a deploy prints'
);
SELECT is(
    pgtandem.contract_tables('shop'), '{shop.old,shop.new,shop.ref}'::regclass[],
    'the tables that are locked'
);
SELECT lives_ok($$ SELECT pgtandem.require_key('shop.old', '{id}') $$, 'a key');
SELECT lives_ok($$ SELECT pgtandem.require_key('shop.old', '{kind,name}') $$, 'more than a key');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_key('shop.old', '{name,size}') $$),
    ARRAY['TD042', 'the source shop.old has no unique index on (name, size), or on some of them',
          'The values of the columns that leave are archived by this key.',
          'CREATE UNIQUE INDEX CONCURRENTLY ON shop.old (name, size);'],
    'TD042: no key'
);

-- abandon_archive
SELECT pgtandem.begin_walk('shop', 'archive');
CREATE SCHEMA pgtandem_shop;
CREATE SCHEMA pgtandem_archive;
CREATE TABLE pgtandem_archive.old (id integer);
CREATE FUNCTION pgtandem_shop.note_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END;
$$;
CREATE TRIGGER note AFTER INSERT ON shop.old
    FOR EACH ROW EXECUTE FUNCTION pgtandem_shop.note_archive();
SELECT pgtandem.queue('shop', '[1]', 'contract', 'archive');
UPDATE pgtandem.mapping SET phase = 'contract' WHERE name = 'shop';
SELECT pgtandem.abandon_archive('shop');
SELECT isnt(to_regclass('pgtandem_archive.old'), NULL, 'after contract, nothing is abandoned');
UPDATE pgtandem.mapping SET phase = 'backfill' WHERE name = 'shop';
SELECT pgtandem.abandon_archive('shop');
SELECT results_eq(
    $$ SELECT to_regclass('pgtandem_archive.old')::text,
              to_regproc('pgtandem_shop.note_archive')::text,
              (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.old'::regclass
                                                 AND tgname = 'note'),
              (SELECT count(*) FROM pgtandem.walk WHERE mapping = 'shop'),
              (SELECT count(*) FROM pgtandem.recheck WHERE mapping = 'shop') $$,
    $$ VALUES (NULL::text, NULL::text, 0::bigint, 0::bigint, 0::bigint) $$,
    'what was begun is gone'
);

-- save_companions
SELECT pgtandem.save_companions('shop');
SELECT ok(
    EXISTS (SELECT FROM pgtandem.companion WHERE mapping = 'shop' AND step = 'column'),
    'what goes along is saved'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.require_finished('shop') $$))[1:2],
    ARRAY['TD043', 'the last revert of contract of mapping "shop" is not finished'],
    'TD043: once'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_gone('shop') $$),
    ARRAY['TD044', 'columns that contract took away are there again',
          'Found: size of shop.old, name of shop.old.',
          'Its revert would fail: give what was added since another name.'],
    'TD044: they are there'
);
ALTER TABLE shop.old DROP COLUMN name, DROP COLUMN size;
SELECT lives_ok($$ SELECT pgtandem.require_gone('shop') $$, 'they are gone');
SELECT lives_ok($$ SELECT pgtandem.require_values('shop', '{size}') $$, 'size may be empty');
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.require_values('shop', '{size,name}') $$))[1:2],
    ARRAY['23502', 'no value for name, which is NOT NULL'],
    '23502: name may not'
);

-- The way back
SELECT pgtandem.add_columns('shop');
INSERT INTO shop.old (id) VALUES (2);
SELECT results_eq(
    $$ SELECT id, pgtandem_old_1, pgtandem_old_2 FROM shop.old ORDER BY id $$,
    $$ VALUES (1, NULL::integer, NULL::text), (2, NULL, 'x') $$,
    'columns come back hidden, empty, with their default for new rows'
);
UPDATE shop.old SET pgtandem_old_2 = 'y';
SELECT pgtandem.name_columns('shop');
SELECT col_is_unique('shop', 'old', 'kind', 'another column is as it was');
SELECT is(
    col_description('shop.old'::regclass, (SELECT attnum FROM pg_attribute
              WHERE attrelid = 'shop.old'::regclass AND attname = 'size')),
    'in mm', 'then they have their names and comments'
);
SELECT throws_ok(
    $$ INSERT INTO shop.old (id, name) VALUES (3, NULL) $$, '23514', NULL,
    'NOT NULL holds for new rows'
);
SELECT results_eq(
    $$ SELECT regexp_replace(s, '\d+', 'N') FROM pgtandem.rebuild('shop') AS s $$,
    $$ SELECT coalesce(v.statement, 'DO ''BEGIN PERFORM pgtandem.rebuild_one(N); END''')
       FROM (VALUES (1, NULL), (2, NULL), (3, NULL),
                    (4, 'CREATE INDEX CONCURRENTLY by_size ON shop.old USING btree (size)'),
                    (5, NULL), (6, NULL), (7, NULL)) AS v (place, statement)
       ORDER BY v.place $$,
    'what is left to do'
);
CREATE INDEX by_size ON shop.old (size);
SELECT is_empty(
    $$ SELECT s FROM pgtandem.rebuild('shop') AS s WHERE s ~ 'CONCURRENTLY' $$,
    'an index that is there is not built again'
);
SELECT lives_ok(
    $$ DO $do$
       DECLARE
           v_one text;
       BEGIN
           FOR v_one IN SELECT s FROM pgtandem.rebuild('shop') AS s LOOP
               EXECUTE v_one;
           END LOOP;
       END
       $do$ $$,
    'each on its own'
);
SELECT results_eq(
    $$ SELECT (SELECT count(*) FROM pgtandem.companion WHERE mapping = 'shop'),
              (SELECT attnotnull FROM pg_attribute
               WHERE attrelid = 'shop.old'::regclass AND attname = 'name'),
              (SELECT string_agg(conname::text COLLATE "default", ' ' ORDER BY conname)
               FROM pg_constraint
               WHERE conrelid = 'shop.old'::regclass AND contype <> 'n' AND convalidated) $$,
    $$ VALUES (0::bigint, true, 'of_ref old_kind_key old_pkey') $$,
    'until nothing is left'
);

SELECT * FROM finish();

ROLLBACK;
