-- Tests pgtandem:gate. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(28);

CREATE TABLE pg_temp.old (id integer);
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'old', 'old', ARRAY['id'], '{"gate": {
    "sync_failure_percent": {"hold": 1, "roll_back": 5},
    "differences_per_hour": {"hold": 5},
    "consistency_percent": {"roll_back_below": 99},
    "signals": {"error_rate": {"roll_back": 1}, "p99_ms": {"hold": 300, "roll_back": 500}}
}}', '0.1.0');

SELECT columns_are('pgtandem', 'sample', ARRAY['mapping', 'taken_at', 'source_writes']);
SELECT col_is_pk('pgtandem', 'sample', ARRAY['mapping', 'taken_at'],
                 'mapping and time are the key');
SELECT fk_ok('pgtandem', 'sample', 'mapping', 'pgtandem', 'mapping', 'name');
SELECT columns_are('pgtandem', 'gate_status', ARRAY[
    'mapping', 'name', 'verdict', 'figure', 'unit', 'threshold', 'detail'
]);
SELECT results_eq(
    $$ SELECT name, verdict, figure, detail FROM pgtandem.gate_status WHERE mapping = 'shop' $$,
    $$ VALUES ('sync_failure_percent', 'hold', NULL::numeric,
               'no sample yet: pgtandem gate takes one'),
              ('differences_per_hour', 'hold', NULL, 'no comparison yet'),
              ('consistency_percent', 'hold', NULL, 'no comparison yet') $$,
    'before anybody asked, nothing is known'
);
SELECT columns_are('pgtandem', 'write_status', ARRAY['mapping', 'side', 'writes']);
SELECT results_eq(
    $$ SELECT side, writes FROM pgtandem.write_status WHERE mapping = 'shop' ORDER BY side $$,
    $$ VALUES ('source', 0::bigint), ('target', 0) $$,
    'nothing was written'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.sample WHERE mapping = 'shop' $$, 'and looking changes nothing'
);

UPDATE pgtandem.mapping SET copy_changed = '-infinity' WHERE name = 'shop';

-- take_sample
INSERT INTO pgtandem.sample VALUES
    ('shop', clock_timestamp() - interval '8 days', 1),
    ('shop', clock_timestamp() - interval '2 hours', -2000);
SELECT is(pgtandem.take_sample('shop'), 0::bigint, 'nothing was written yet');
SELECT results_eq(
    $$ SELECT source_writes FROM pgtandem.sample WHERE mapping = 'shop' ORDER BY taken_at $$,
    $$ VALUES (-2000::bigint), (0) $$,
    'what is older than a week goes'
);
SELECT throws_ok(
    $$ SELECT pgtandem.take_sample('none') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

-- gate, of a mapping that is new: 2,000 writes in two hours, no failure, no comparison
SELECT results_eq(
    $$ SELECT name, verdict, figure, unit, threshold FROM pgtandem.gate('shop') $$,
    $$ VALUES ('sync_failure_percent', 'go on', 0::numeric, '%', 'hold over 1, roll back over 5'),
              ('differences_per_hour', 'hold', NULL, 'rows', 'hold over 5'),
              ('consistency_percent', 'hold', NULL, '%', 'roll back under 99'),
              ('p99_ms', 'not judged', NULL, '', 'hold over 300, roll back over 500'),
              ('error_rate', 'not judged', NULL, '', 'roll back over 1') $$,
    'what is not known yet says hold, but a signal that is not given is not judged'
);

CREATE FUNCTION pg_temp.verdict(p_name text, p_signals jsonb DEFAULT '{}') RETURNS text
LANGUAGE sql AS $$
    SELECT g.verdict || ': ' || g.figure FROM pgtandem.gate('shop', p_signals) AS g
    WHERE g.name = p_name;
$$;

-- its thresholds
SELECT is(
    pg_temp.verdict('p99_ms', jsonb_build_object('p99_ms', s.figure)), s.verdict,
    format('p99_ms of %s', s.figure)
)
FROM (VALUES (300, 'go on: 300'), (300.5, 'hold: 300.5'), (500, 'hold: 500'),
             (501, 'roll back: 501')) AS s (figure, verdict);
SELECT is(
    pg_temp.error_of($$ SELECT * FROM pgtandem.gate('shop', '{"p95_ms": 1, "p99_ms": 2}') $$),
    ARRAY['TD024', 'the mapping "shop" has no threshold for the signal p95_ms', '',
          'It knows: p99_ms, error_rate. Thresholds are gate.signals of the mapping.'],
    'TD024: a signal without a threshold'
);
SELECT throws_ok(
    $$ SELECT * FROM pgtandem.gate('none') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

-- failures: of 2,000 writes in two hours, which makes 1,000 in one
INSERT INTO pgtandem.sync_failure (mapping, key, reason, sqlstate, message, failed_at, repaired_at)
SELECT 'shop', jsonb_build_array(n), 'sync', '23505', 'twice', clock_timestamp(), now()
FROM generate_series(1, 10) AS n;
INSERT INTO pgtandem.sync_failure (mapping, key, reason, sqlstate, message, failed_at)
VALUES ('shop', '[0]', 'copy', '23505', 'of the backfill', clock_timestamp()),
       ('shop', '[0]', 'sync', '23505', 'long ago', clock_timestamp() - interval '3 hours');
SELECT is(pg_temp.verdict('sync_failure_percent'), 'go on: 1', 'failures, also repaired ones');
INSERT INTO pgtandem.sync_failure (mapping, key, reason, sqlstate, message)
SELECT 'shop', '[1]', 'sync', '23505', 'twice' FROM generate_series(1, 41) AS n;
SELECT is(pg_temp.verdict('sync_failure_percent'), 'roll back: 5.1', 'too many');
DELETE FROM pgtandem.sample;
SELECT is(
    pg_temp.verdict('sync_failure_percent'), 'go on: 0',
    'nothing is counted before the first sample'
);

-- comparisons
SELECT pgtandem.save_comparison('shop', repeat('a', 64), 'full', now(), '', 1000, 1000, 2, 0, 4);
SELECT is(pg_temp.verdict('differences_per_hour'), 'hold: 6', 'differences');
SELECT is(pg_temp.verdict('consistency_percent'), 'go on: 99.4', 'consistency');
SELECT pgtandem.save_comparison('shop', repeat('a', 64), 'full', now(), '', 1000, 999, 1, 0, 0);
SELECT is(pg_temp.verdict('differences_per_hour'), 'hold: 6', 'the worst of the hour counts');
SELECT is(pg_temp.verdict('consistency_percent'), 'go on: 99.9', 'the last one counts');
SELECT pgtandem.save_comparison('shop', repeat('a', 64), 'full', now(), '', 100, 100, 0, 0, 2);
SELECT is(pg_temp.verdict('consistency_percent'), 'roll back: 98', 'under its threshold');
SELECT results_eq(
    $$ SELECT g.* FROM pgtandem.gate('shop') AS g WHERE g.unit <> '' $$,
    $$ SELECT name, verdict, figure, unit, threshold, detail FROM pgtandem.gate_status
       WHERE mapping = 'shop' $$,
    'who only looks is told the same'
);
UPDATE pgtandem.mapping SET settings = '{}' WHERE name = 'shop';
SELECT results_eq(
    $$ SELECT DISTINCT verdict, threshold FROM pgtandem.gate_status WHERE mapping = 'shop' $$,
    $$ VALUES ('not judged', '') $$,
    'without thresholds nothing is judged'
);

SELECT * FROM finish();

ROLLBACK;
