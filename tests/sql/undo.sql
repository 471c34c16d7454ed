-- Tests pgtandem:undo, on gear, which stores no pre-images itself. Changes nothing; needs pgTAP in
-- the search path. What the rendered routines do with it: tests/test_undo.py.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(23);

-- _columns_of, _columns_now
CREATE TABLE pg_temp.odd (a integer, gone text, "b ""c" varchar(3), c numeric(9, 2));
ALTER TABLE pg_temp.odd DROP COLUMN gone;
SELECT is(
    pgtandem._columns_of('pg_temp.odd'),
    '[["a", "integer", ""], ["b \"c", "character varying", ""], ["c", "numeric", ""]]'::jsonb,
    'names and types, in the order of the row, without what was dropped'
);
SELECT is(
    pgtandem._columns_now('pg_temp.odd'), pgtandem._columns_of('pg_temp.odd'),
    'a query sees the same'
);

-- _layout
CREATE TEMP TABLE layout AS SELECT pgtandem._layout('gear', 'pg_temp.odd'::regclass) AS id;
SELECT is(
    current_setting('pgtandem_gear.layout_' || 'pg_temp.odd'::regclass::oid),
    (SELECT id::text FROM layout), 'the transaction knows its number'
);
SELECT is(
    pgtandem._layout('gear', 'pg_temp.odd'::regclass), (SELECT id FROM layout), 'and it stays'
);
ALTER TABLE pg_temp.odd ADD COLUMN d text;
SELECT isnt(
    pgtandem._layout('gear', 'pg_temp.odd'::regclass), (SELECT id FROM layout),
    'other columns are another layout'
);

-- _fields
SELECT is(
    pgtandem._fields(ROW(1, NULL, '', 'a b', 'x,y', E'"q" \\ (p)', ARRAY['"', NULL])::text),
    ARRAY['1', '', '""', '"a b"', '"x,y"', E'"""q"" \\\\ (p)"', E'"{""\\\\"""",NULL}"'],
    'fields as they are written, quotes and all'
);
SELECT is(pgtandem._fields('()'), ARRAY[''], 'a single NULL');
SELECT is(pgtandem._fields('(,)'), ARRAY['', ''], 'two of them');
SELECT is(
    (SELECT array_length(pgtandem._fields(ROW(1, repeat('"a,', 100000), 2)::text), 1)), 3,
    'a long one'
);

-- _overlay
SELECT is(
    pgtandem._overlay('(1,"a,b")', '[["a", "x", ""], ["b", "x", ""]]', '("n,",old,2)',
                      '[["new", "x", ""], ["b", "x", ""], ["a", "other type", ""]]'),
    '("n,","a,b",2)', 'what it has under the same name and type; the rest as the row has it'
);
SELECT is(
    pgtandem._overlay('(1,2)', '[["a", "x", ""], ["v", "x", "v"], ["", "", ""]]', NULL,
                      '[["a", "x", ""], ["v", "x", "v"], ["b", "x", ""]]'),
    '(1,,)', 'a virtual column has no value'
);
SELECT is(
    pgtandem._overlay('(as is', '[["a", "x", ""]]', NULL, '[["a", "x", ""]]'), '(as is',
    'the same columns: the same text'
);
SELECT is(
    pgtandem._overlay(NULL, '[["a", "x", ""]]', NULL, '[["b", "x", ""]]'), NULL, 'no row: none'
);

-- _references
CREATE TABLE pg_temp.parent (a integer, b text, PRIMARY KEY (a, b));
CREATE TABLE pg_temp.child ("x y" integer, z text, w integer);
SELECT is(pgtandem._references('pg_temp.parent'), NULL, 'nobody refers to it');
ALTER TABLE pg_temp.child ADD FOREIGN KEY ("x y", z) REFERENCES pg_temp.parent;
SELECT is(pgtandem._references('pg_temp.parent'), NULL, 'a foreign key that refuses does so');
ALTER TABLE pg_temp.child ADD FOREIGN KEY ("x y", z) REFERENCES pg_temp.parent ON DELETE SET NULL;
SELECT alike(
    pgtandem._references('pg_temp.parent'),
    '($1 IS NULL) AND EXISTS (SELECT FROM child AS c WHERE t.a OPERATOR(pg_catalog.=) c."x y" %',
    'one that would change rows is a condition'
);
CREATE TABLE pg_temp.renamed (a integer, b text, PRIMARY KEY (a, b));
CREATE TABLE pg_temp.named (
    c integer, d text, FOREIGN KEY (c, d) REFERENCES pg_temp.renamed ON UPDATE CASCADE
);
SELECT alike(
    pgtandem._references('pg_temp.renamed'),
    '($1 IS NOT NULL AND (t.a::text IS DISTINCT FROM b.a::text OR %)) AND EXISTS (%named%',
    'so is one that follows a change'
);

-- _refuse_write
SELECT throws_ok(
    $$ SELECT pgtandem._refuse_write('gear', 'pg_signal_backend') $$, 'TD066', NULL,
    'who is no member'
);

-- pre_image_size, drop_pre_images, _close_undo
SELECT is(pgtandem.pre_image_size('gear'), NULL, 'a mapping that stores none');
SELECT is(pgtandem.drop_pre_images('gear'), 0::bigint, 'nothing to drop');
CREATE TABLE pgtandem_gear.pre_image AS SELECT n AS id FROM generate_series(1, 1000) AS n;
SELECT ok(pgtandem.pre_image_size('gear') >= 32768, 'its size');
SELECT ok(pgtandem.drop_pre_images('gear') >= 32768, 'which is freed');
SELECT pgtandem._close_undo('gear');
SELECT is(
    (SELECT count(*) FROM pgtandem.layout WHERE mapping = 'gear')::integer
    + (to_regclass('pgtandem_gear.pre_image') IS NOT NULL)::integer,
    0, 'all of it is gone'
);

SELECT finish();

ROLLBACK;
