-- Tests pgtandem:dependents. Changes nothing; needs pgTAP in the search path. What hangs on a whole
-- table is tested where contract asks for it: contract.sql.
BEGIN;

SELECT plan(6);

CREATE SCHEMA shop;
CREATE TABLE shop.ref (id integer PRIMARY KEY);
CREATE TABLE shop.old (
    id   integer PRIMARY KEY,
    name text UNIQUE,
    size integer REFERENCES shop.ref ON DELETE CASCADE,
    area integer GENERATED ALWAYS AS (size * 2) STORED,
    kind text
);
CREATE TABLE shop.new (id integer PRIMARY KEY);
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.old', 'shop.new', ARRAY['id'],
                                 '{"contract": {"columns": ["size", "name"]}}', '0.1.0');
ALTER TABLE shop.old DROP COLUMN area;
SELECT results_eq(
    $$ SELECT place, name::text COLLATE "default", level FROM pgtandem._leaving('shop')
       ORDER BY place $$,
    $$ VALUES (1, 'size', 0), (2, 'name', 0) $$,
    'the columns that leave'
);
SELECT is_empty(
    $$ SELECT * FROM pgtandem._column_dependents('shop') $$,
    'what goes along does not hang on them'
);
SELECT results_eq(
    $$ SELECT count(*) FROM pgtandem._cascades('shop.old', 'shop.new', ARRAY['name'])
       UNION ALL SELECT count(*) FROM pgtandem._cascades('shop.old', 'shop.new', ARRAY['size'])
       UNION ALL SELECT count(*) FROM pgtandem._cascades('shop.old', 'shop.new') $$,
    $$ VALUES (0::bigint), (1), (1) $$,
    'a foreign key that writes a column that leaves'
);

ALTER TABLE shop.old ADD area integer GENERATED ALWAYS AS (size * 2) STORED;
CREATE VIEW shop.report AS SELECT id, name FROM shop.old;
CREATE VIEW shop.other AS SELECT id, kind FROM shop.old;
CREATE MATERIALIZED VIEW shop.sums AS SELECT sum(size) FROM shop.old;
CREATE RULE watch AS ON UPDATE TO shop.old WHERE old.size = 5 DO ALSO NOTHING;
CREATE FUNCTION shop.count_names() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    SELECT count(name) FROM shop.old;
END;
CREATE FUNCTION shop.guess() RETURNS bigint LANGUAGE sql AS 'SELECT count(size) FROM shop.old';
CREATE FUNCTION shop.kinds() RETURNS bigint LANGUAGE sql AS 'SELECT count(kind) FROM shop.old';
CREATE FUNCTION shop.seen() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
    RETURN NEW;
END;
$f$;
CREATE TRIGGER on_name AFTER UPDATE OF name ON shop.old
    FOR EACH ROW EXECUTE FUNCTION shop.seen();
CREATE TRIGGER on_size AFTER UPDATE ON shop.old
    FOR EACH ROW WHEN (OLD.size > 1) EXECUTE FUNCTION shop.seen();
CREATE POLICY mine ON shop.old USING (name = 'x');
CREATE PUBLICATION few FOR TABLE shop.old (id, size);
CREATE STATISTICS shop.both_of_them ON size, kind FROM shop.old;
CREATE TABLE shop.part (name text CONSTRAINT part_of REFERENCES shop.old (name));
ALTER TABLE shop.old ADD CONSTRAINT no_two EXCLUDE (size WITH =);
ALTER TABLE shop.old ALTER name SET NOT NULL;
ALTER TABLE shop.old REPLICA IDENTITY USING INDEX old_name_key;
SELECT set_eq(
    $$ SELECT what, cure FROM pgtandem._column_dependents('shop') $$,
    $$ VALUES ('generated column area of shop.old',
               'ALTER TABLE shop.old ALTER COLUMN area DROP EXPRESSION;'),
              ('view shop.report', 'DROP VIEW shop.report;'),
              ('materialized view shop.sums', 'DROP MATERIALIZED VIEW shop.sums;'),
              ('rule watch on table shop.old', 'DROP RULE watch ON shop.old;'),
              ('function shop.count_names()', 'DROP ROUTINE shop.count_names();'),
              ('trigger on_name on table shop.old', 'DROP TRIGGER on_name ON shop.old;'),
              ('trigger on_size on table shop.old', 'DROP TRIGGER on_size ON shop.old;'),
              ('policy mine on table shop.old', 'DROP POLICY mine ON shop.old;'),
              ('publication of table shop.old in publication few',
               'ALTER PUBLICATION few DROP TABLE shop.old;'),
              ('statistics object shop.both_of_them', 'DROP STATISTICS shop.both_of_them;'),
              ('constraint part_of on table shop.part',
               'ALTER TABLE shop.part DROP CONSTRAINT part_of;'),
              ('exclusion constraint no_two of shop.old',
               'ALTER TABLE shop.old DROP CONSTRAINT no_two;'),
              ('replica identity shop.old_name_key of shop.old',
               'ALTER TABLE shop.old REPLICA IDENTITY DEFAULT;') $$,
    'what hangs on them, and what to type'
);
SELECT lives_ok(
    $$ DO $do$
       DECLARE
           v_cure text;
       BEGIN
           FOR v_cure IN SELECT cure FROM pgtandem._column_dependents('shop') LOOP
               EXECUTE v_cure;
           END LOOP;
           ALTER TABLE shop.old DROP COLUMN size, DROP COLUMN name;
       END
       $do$ $$,
    'which lets them go'
);
ALTER TABLE shop.old ADD size integer, ADD name text;
SELECT set_eq(
    $$ SELECT * FROM pgtandem._column_readers('shop') $$,
    $$ VALUES ('shop.guess()') $$,
    'a function that names the table and one of them'
);

SELECT * FROM finish();

ROLLBACK;
