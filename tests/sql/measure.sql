-- Tests pgtandem:measure, on gear. Changes nothing; needs pgTAP in the search path. Its figures
-- against what a backfill takes: tests/test_plan.py.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(19);

-- _measure_ranges, measure: nothing to do
SELECT is((SELECT count(*) FROM pgtandem._measure_ranges('gear', 8, 32)), 0::bigint, 'no block');
SELECT is((SELECT count(*) FROM pgtandem.measure('gear')), 0::bigint, 'so nothing to measure');

SELECT pg_temp.old_items(1, 4000);
ANALYZE user_core.old_equipment;
CREATE FUNCTION pg_temp.blocks() RETURNS bigint
LANGUAGE sql
AS $$ SELECT pg_relation_size('user_core.old_equipment') / 8192 $$;

-- _count_rows
SELECT is(format('%s %s', c.rows, c.error), '4000 0', 'every block, exactly')
FROM pgtandem._count_rows('user_core.old_equipment') AS c;
SELECT cmp_ok(abs(c.rows - 4000), '<=', 3 * c.error + 1, 'some blocks, with an error')
FROM pgtandem._count_rows('user_core.old_equipment', 30) AS c;

-- sample_images, sample_target
SELECT is((SELECT count(DISTINCT key) FROM pgtandem.sample_images('gear', 4000)), 4000::bigint,
          'all images');
SELECT ok(count(*) BETWEEN 200 AND 700 AND count(*) = count(DISTINCT place)
          AND count(*) = count(key) AND count(category) = 0, 'some images')
FROM pgtandem.sample_images('gear', 400);
SELECT is((SELECT count(*) FROM pgtandem.sample_target('gear', 100)), 0::bigint, 'no row there');

-- _measure_ranges
SELECT is((SELECT sum(last_block - first_block)::bigint
           FROM pgtandem._measure_ranges('gear', 4, 1000)), pg_temp.blocks(), 'all blocks');
SELECT is((SELECT count(*) FROM pgtandem._measure_ranges('gear', 4, 1000) AS a
           JOIN pgtandem._measure_ranges('gear', 4, 1000) AS b
           ON a.first_block < b.first_block AND b.first_block < a.last_block), 0::bigint,
          'none twice');
SELECT ok(count(*) = 4 AND bool_and(last_block - first_block = 2)
          AND max(last_block) <= pg_temp.blocks(), 'some blocks')
FROM pgtandem._measure_ranges('gear', 4, 2);
SELECT pgtandem._list_new_leaves('gear');
SELECT pgtandem._copy_next('gear', 10, 'insert');
SELECT is((SELECT sum(last_block - first_block)::bigint
           FROM pgtandem._measure_ranges('gear', 4, 1000)), pg_temp.blocks() - 10,
          'what is copied is not measured');
SELECT ok(count(*) > 50, 'rows that are there') FROM pgtandem.sample_target('gear', 4000);

-- measure, _measure_tables, _measure_fill
SELECT results_eq(
    $$ SELECT sum(blocks)::bigint, sum(rows)::bigint, min(strategy), count(failure)
       FROM pgtandem.measure('gear', 4, 1000) $$,
    $$ SELECT pg_temp.blocks() - 10, 4000 - count(*), 'insert', 0::bigint
       FROM gear_ops.gear_items $$,
    'the rest, as a chunk would'
);
SELECT ok(sum(seconds) > 0 AND sum(wal_bytes) > 100000 AND sum(table_bytes) > 100000
          AND sum(index_bytes) > 50000, 'and what it takes')
FROM pgtandem.measure('gear', 4, 1000);
SELECT ok(to_regclass('pgtandem_gear.measured_target') IS NULL
          AND to_regclass('pgtandem_gear.measured_source') IS NULL
          AND to_regclass('pg_temp.pgtandem_measure') IS NULL, 'of which nothing stays');
UPDATE pgtandem.mapping SET copy_strategy = 'overwrite';
SELECT is((SELECT min(strategy) FROM pgtandem.measure('gear', 1, 1)), 'overwrite',
          'the strategy of the copy');
UPDATE pgtandem.mapping SET copy_strategy = 'insert';

-- errors
SELECT is(pg_temp.error_of($$ SELECT * FROM pgtandem.sample_images('none', 1) $$),
          ARRAY['TD001', 'no mapping named "none" is deployed in this database', 'Deployed: gear.',
                'Mend the name, or: sqitch deploy --to NAME_expand'], 'TD001');
DELETE FROM pgtandem.chunk;
SELECT pg_temp.unseen(true);
UPDATE user_core.old_equipment SET type = 'no';
ALTER TABLE gear_ops.gear_items ADD CONSTRAINT "not no" CHECK (category <> 'no') NOT VALID;
SELECT is(pg_temp.error_of($$ SELECT * FROM pgtandem.measure('gear') $$),
          ARRAY['TD065', 'the copy of mapping "gear" cannot be measured',
                '23514: new row for relation "measured_target" violates check constraint "not no"',
                'A backfill would set such rows aside: see pgtandem preflight.'], 'TD065');
DROP FUNCTION pgtandem_gear.measure_chunk(regclass, bigint, bigint, text);
SELECT is(pg_temp.error_of($$ SELECT * FROM pgtandem.measure('gear') $$),
          ARRAY['TD065', 'the copy of mapping "gear" cannot be measured',
                'It was rendered by a pgtandem that could not.',
                'Render and deploy its expand change again.'], 'TD065');

SELECT * FROM finish();

ROLLBACK;
