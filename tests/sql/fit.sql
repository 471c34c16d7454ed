-- Tests pgtandem:fit, on gear. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(16);

SELECT pg_temp.old_items(1, 1000);
ANALYZE user_core.old_equipment;

-- _fit_total, _fit_rows
SELECT is(pgtandem._fit_total('gear'), 1000::bigint, 'as many as ANALYZE saw');
SELECT is((SELECT sum(cardinality(rows)) FROM pgtandem._fit_rows('gear', NULL)), 1000::bigint,
          'all rows');
SELECT is((SELECT sum(cardinality(rows)) FROM pgtandem._fit_rows('gear', 900)), 1000::bigint,
          'all rows where a sample is most of them');
SELECT cmp_ok((SELECT coalesce(sum(cardinality(rows)), 0) FROM pgtandem._fit_rows('gear', 100)),
              '<', 1000::bigint, 'a sample');

-- fit
SELECT results_eq(
    $$ SELECT source_rows, tried, failing, stopped, failures, duplicates, orphans
       FROM pgtandem.fit('gear', NULL) $$,
    $$ VALUES (1000::bigint, 1000::bigint, 0::bigint, false, '[]'::jsonb, 0::bigint,
               '[]'::jsonb) $$,
    'all of them fit'
);
SELECT cmp_ok(table_bytes, '>', 65536::bigint, 'the size of the table') FROM pgtandem.fit('gear');
SELECT cmp_ok(index_bytes, '>', 32768::bigint, 'and of its indexes') FROM pgtandem.fit('gear');
SELECT is((SELECT count(*) FROM gear_ops.gear_items), 0::bigint, 'nothing was copied');

SELECT pg_temp.unseen(true);
UPDATE user_core.old_equipment SET type = 'no' WHERE id IN (pg_temp.item(7), pg_temp.item(8));
ALTER TABLE gear_ops.gear_items ADD CONSTRAINT "not no" CHECK (category <> 'no') NOT VALID;
SELECT is((SELECT f.failures FROM pgtandem.fit('gear', NULL) AS f) #- '{0,message}',
          format('[{"sqlstate": "23514", "place": "constraint not no", "rows": 2, "example": %s}]',
                 to_json(jsonb_build_array(pg_temp.item(7))::text))::jsonb,
          'two values break a constraint');
SELECT is(failing, 2::bigint, 'their number') FROM pgtandem.fit('gear', NULL);
UPDATE user_core.old_equipment SET type = 'rope';

CREATE UNIQUE INDEX ON gear_ops.gear_items (name);
UPDATE user_core.old_equipment SET name = 'Rope 1' WHERE id = pg_temp.item(2);
SELECT is(duplicates, 1::bigint, 'one name is there twice') FROM pgtandem.fit('gear', NULL);

CREATE TABLE gear_ops.brand (name text PRIMARY KEY);
INSERT INTO gear_ops.brand VALUES ('good');
ALTER TABLE gear_ops.gear_items ADD CONSTRAINT known FOREIGN KEY (brand)
    REFERENCES gear_ops.brand NOT VALID;
UPDATE user_core.old_equipment SET brand = CASE WHEN id = pg_temp.item(3) THEN 'bad' ELSE 'good' END
WHERE id IN (pg_temp.item(3), pg_temp.item(4));
SELECT is((SELECT f.orphans FROM pgtandem.fit('gear', NULL) AS f),
          '[{"name": "known", "orphans": 1, "refers_to": "gear_ops.brand"}]',
          'one refers to nothing');

-- errors
SELECT is(pg_temp.error_of($$ SELECT * FROM pgtandem.fit('gear', 0) $$),
          ARRAY['TD070', 'a sample of 0 rows is none', '',
                'Give a number over 0, or NULL for all rows.'], 'TD070');
SELECT is((pg_temp.error_of($$ SELECT * FROM pgtandem.fit('gaer') $$))[1], 'TD001', 'TD001');
TRUNCATE pgtandem.chunk;
SELECT ok(NOT stopped, 'it did not stop early') FROM pgtandem.fit('gear', NULL);
ALTER TABLE user_core.old_equipment DROP COLUMN brand CASCADE;
SELECT is(pg_temp.error_of($$ SELECT * FROM pgtandem.fit('gear') $$),
          ARRAY['TD071', 'mapping "gear" has no image of its source any more',
                'A table of it was dropped, or lost a column, and the view with it.',
                'Restore it, then: sqitch deploy'], 'TD071');

SELECT * FROM finish();
ROLLBACK;
