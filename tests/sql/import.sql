-- Tests pgtandem:import. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(18);

CREATE SCHEMA staging;
CREATE TABLE staging.docs (_id text PRIMARY KEY, document jsonb NOT NULL, import bigint NOT NULL);
CREATE TABLE staging.other (_id text);
CREATE TABLE staging.no_index (_id text, document jsonb, import bigint);

SELECT throws_ok(
    $$ SELECT pgtandem._check_staging('staging.other') $$, 'TD080', NULL, 'TD080: lacks columns'
);
SELECT throws_ok(
    $$ SELECT pgtandem._check_staging('staging.no_index') $$, 'TD080', NULL, 'TD080: no index'
);
SELECT lives_ok($$ SELECT pgtandem._check_staging('staging.docs') $$, 'a staging table is one');

SELECT results_eq(
    $$ SELECT staging, state, fresh, "full", chunks
         FROM pgtandem.begin_import('staging.docs', '[{"name": "a"}]') $$,
    $$ VALUES ('staging.docs', 'running', true, false, 0::bigint) $$,
    'an import begins'
);
SELECT throws_ok(
    $$ SELECT pgtandem.begin_import('staging.docs', '[{"name": "a"}, {"name": "b"}]') $$, 'TD082',
    NULL, 'TD082: it is not finished, and was of other files'
);
SELECT results_eq(
    $$ SELECT count(*), max(i.id) = (SELECT max(id) FROM pgtandem.import)
         FROM pgtandem.begin_import('staging.docs', '[{"name": "a"}]', p_full => true) AS i $$,
    $$ VALUES (1::bigint, true) $$,
    'the same files go on with it'
);

CREATE FUNCTION pg_temp.import() RETURNS bigint LANGUAGE sql AS $$
    SELECT max(id) FROM pgtandem.import;
$$;
SELECT lives_ok(
    $$ SELECT pgtandem.advance_import(pg_temp.import(), 1, 1, 3, 30, 30, 'd',
                                      '{"documents": 3, "inserted": 2}') $$,
    'a chunk'
);
SELECT results_eq(
    $$ SELECT chunks, line, position, documents, inserted, updated
         FROM pgtandem.import WHERE id = pg_temp.import() $$,
    $$ VALUES (1::bigint, 3::bigint, 30::bigint, 3::bigint, 2::bigint, 0::bigint) $$,
    'is noted'
);
SELECT throws_ok(
    $$ SELECT pgtandem.advance_import(pg_temp.import(), 1, 1, 3, 30, 30, 'd', '{}') $$, 'TD084',
    NULL, 'TD084: and only once'
);

-- What the files lack.
INSERT INTO staging.docs
SELECT n::text, '{}', CASE WHEN n > 2 THEN pg_temp.import() ELSE 0 END
  FROM generate_series(1, 4) AS n;
SELECT results_eq(
    $$ SELECT absent, present FROM pgtandem.count_absent(pg_temp.import()) $$,
    $$ VALUES (2::bigint, 4::bigint) $$,
    'two documents are of no file'
);
SELECT is(pgtandem.delete_absent(pg_temp.import(), '', 1), '1', 'one is deleted');
SELECT is(pgtandem.delete_absent(pg_temp.import(), '1'), '2', 'and the other');
SELECT is(pgtandem.delete_absent(pg_temp.import(), '2'), NULL, 'and there are no more');
SELECT results_eq(
    $$ SELECT _id FROM staging.docs ORDER BY 1 $$, $$ VALUES ('3'), ('4') $$, 'the others stay'
);
UPDATE pgtandem.import SET set_aside = 1 WHERE id = pg_temp.import();
SELECT throws_ok(
    $$ SELECT * FROM pgtandem.count_absent(pg_temp.import()) $$, 'TD083', NULL,
    'TD083: not where documents were set aside'
);
SELECT lives_ok($$ SELECT pgtandem.finish_import(pg_temp.import()) $$, 'it ends');
SELECT throws_ok(
    $$ SELECT pgtandem.delete_absent(pg_temp.import()) $$, 'TD084', NULL,
    'TD084: it is no full import that is running'
);
SELECT is(
    (SELECT state FROM pgtandem.import WHERE id = pg_temp.import()), 'complete', 'it is complete'
);

SELECT * FROM finish();

ROLLBACK;
