-- Tests pgtandem:rework, on gear. Changes nothing; needs pgTAP in the search path. The whole road
-- of a changed mapping: tests/test_rework.py.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(10);

SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.begin_rework('none', '{}') $$),
    ARRAY['TD001', 'no mapping named "none" is deployed in this database', 'Deployed: gear.',
          'Mend the name, or: sqitch deploy --to NAME_expand'],
    'TD001: the mapping is unknown'
);
SELECT pgtandem.set_phase('gear', 'contract');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.begin_rework('gear', '{}') $$),
    ARRAY['TD003', 'mapping "gear" is still in phase contract',
          'Its old table is an archive, which nothing keeps equal.', 'Revert gear_contract first.'],
    'TD003: after contract'
);
SELECT pgtandem.set_phase('gear', 'backfill');
SELECT pgtandem.queue('gear', '["x"]', 'gone');

SELECT lives_ok(
    $$ SELECT pgtandem.begin_rework('gear', '{user_core.old_equipment,gear_ops.gear_items}') $$,
    'a rework begins'
);
SELECT set_eq(
    $$ SELECT relation::regclass FROM pg_locks
       WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' AND locktype = 'relation'
         AND relation IN ('user_core.old_equipment'::regclass, 'gear_ops.gear_items'::regclass) $$,
    $$ VALUES ('user_core.old_equipment'::regclass), ('gear_ops.gear_items') $$,
    'both tables are locked'
);
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'pgtandem_gear'::regnamespace $$,
    'no routine of the former mapping is left'
);
SELECT is_empty(
    $$ SELECT oid::regclass FROM pg_class WHERE relnamespace = 'pgtandem_gear'::regnamespace $$,
    'no view'
);
SELECT is_empty(
    $$ SELECT tgname FROM pg_trigger WHERE tgname LIKE 'pgtandem\_gear%' $$, 'no trigger'
);
SELECT is_empty(
    $$ SELECT key FROM pgtandem.recheck WHERE mapping = 'gear' $$, 'nothing in the queue'
);
SELECT is(
    (SELECT copy_state FROM pgtandem.mapping WHERE name = 'gear'), 'none', 'the copy is closed'
);
SELECT is(
    (SELECT detail -> 'from' FROM pgtandem.event WHERE kind = 'rework'),
    (SELECT to_jsonb(hash) FROM pgtandem.mapping WHERE name = 'gear'),
    'the event says what the mapping was'
);

SELECT * FROM finish();

ROLLBACK;
