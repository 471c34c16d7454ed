-- Tests pgtandem:control. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(15);

SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'pgtandem.event', 'pgtandem.event',
                                 ARRAY['id'], '{}', '0.1.0');

-- pause, resume
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.pause('shop') $$),
    ARRAY['TD007', 'mapping "shop" has no backfill to pause', 'Its copy is none, its phase expand.',
          'Only a copy that is open can wait. Nothing was changed.'],
    'TD007: there is nothing to pause'
);
UPDATE pgtandem.mapping SET copy_state = 'open' WHERE name = 'shop';
SELECT pgtandem.pause('shop', 'month end');
SELECT is(
    (pgtandem.mapping_of('shop')).paused_by, session_user::text COLLATE "default", 'paused, by whom'
);
SELECT results_eq(
    $$ SELECT role, reason FROM pgtandem.event WHERE mapping = 'shop' AND kind = 'pause' $$,
    $$ VALUES (session_user::text COLLATE "default", 'month end') $$,
    'and why'
);
SELECT lives_ok($$ SELECT pgtandem.pause('shop') $$, 'a second pause changes nothing');
SELECT ok(pgtandem.resume('shop', 'month is over'), 'it was paused');
SELECT is((pgtandem.mapping_of('shop')).paused_by, NULL, 'resumed');
SELECT results_eq(
    $$ SELECT reason FROM pgtandem.event WHERE mapping = 'shop' AND kind = 'resume' $$,
    $$ VALUES ('month is over') $$,
    'which is logged, too'
);
SELECT ok(NOT pgtandem.resume('shop'), 'a second resume changes nothing');

-- retry
SELECT pgtandem.queue('shop', '[1]', 'gone');
SELECT pgtandem.queue('shop', '[2]', 'gone');
SELECT pgtandem.queue('other', '[3]', 'gone');
UPDATE pgtandem.recheck SET attempts = 4, not_before = 'infinity', sqlstate = '23514'
WHERE key IN ('[2]', '[3]');
SELECT is(pgtandem.retry('shop', 'constraint dropped'), 1::bigint, 'what failed is counted');
SELECT results_eq(
    $$ SELECT attempts, not_before, sqlstate FROM pgtandem.recheck
       WHERE mapping = 'shop' AND key = '[2]' $$,
    $$ VALUES (0, '-infinity'::timestamptz, '23514') $$,
    'and due at once; its last error stays to be seen'
);
SELECT is(
    (SELECT attempts FROM pgtandem.recheck WHERE key = '[3]'), 4, 'other mappings are left alone'
);
SELECT results_eq(
    $$ SELECT detail, reason FROM pgtandem.event WHERE mapping = 'shop' AND kind = 'retry' $$,
    $$ VALUES ('{"entries": 1}'::jsonb, 'constraint dropped') $$,
    'it is logged'
);

SELECT throws_ok(
    format('SELECT pgtandem.%s(%L)', r.routine, 'none'), 'TD001', NULL,
    format('TD001: %s of an unknown mapping', r.routine)
)
FROM (VALUES ('pause'), ('resume'), ('retry')) AS r (routine);

SELECT * FROM finish();

ROLLBACK;
