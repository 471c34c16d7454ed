-- Tests pgtandem:health, on gear. Changes nothing; needs pgTAP in the search path. The states that
-- take other sessions: tests/test_preflight.py.
\ir ../error_of.sql

BEGIN;

SELECT plan(20);

-- _check_backup
SELECT is(state, 'pass', 'an hour old') FROM pgtandem._check_backup(now() - interval '1 hour');
SELECT is(state, 'fail', 'two days old') FROM pgtandem._check_backup(now() - interval '2 days');
SELECT matches(figure, '^2 days.* old, as given; limit 24:00:00$', 'its age')
FROM pgtandem._check_backup(now() - interval '2 days');
SELECT is((pg_temp.error_of(
    $$ SELECT * FROM pgtandem._check_backup(clock_timestamp() + interval '2 minutes') $$))[1],
    'TD070', 'TD070: in the future');
SELECT is(state, 'fail', 'none is known') FROM pgtandem._check_backup(NULL);
SELECT is(todo, 'Take one, and say when it was: --backup-at TIME', 'what to do')
FROM pgtandem._check_backup(NULL);

-- _check_disk
SELECT is(state, 'warn', 'not known') FROM pgtandem._check_disk(1024, 1024, NULL);
SELECT is(state, 'fail', 'too little') FROM pgtandem._check_disk(1024, 1024, 6143);
SELECT is(state, 'warn', 'just enough') FROM pgtandem._check_disk(1024, 1024, 6144);
SELECT is(state, 'pass', 'twice as much') FROM pgtandem._check_disk(1024, 1024, 12288);
SELECT is(figure, 'about 300 MB: table 90 MB, indexes 10 MB, WAL 200 MB; free: 1024 MB',
          'the parts of it')
FROM pgtandem._check_disk(90 * 1048576, 10 * 1048576, 1073741824);

-- _check_replication
SELECT results_eq(
    $$ SELECT name, state FROM pgtandem._check_replication('{}') WHERE name = 'standbys' $$,
    $$ VALUES ('standbys', 'pass') $$, 'there is none'
);

-- _check_transactions
SELECT results_eq(
    $$ SELECT name FROM pgtandem._check_transactions('1 day') $$,
    $$ VALUES ('long_transactions'), ('idle_in_transaction'), ('prepared_transactions') $$,
    'three kinds'
);
SELECT is(state, 'pass', 'this one does not count') FROM pgtandem._check_transactions('1 day')
WHERE name = 'long_transactions';

-- _check_settings
CREATE FUNCTION pg_temp.setting(p_name text, p_wal numeric DEFAULT NULL) RETURNS text
LANGUAGE sql
AS $$
    SELECT s.state FROM pgtandem._check_settings(pgtandem.mapping_of('gear'), p_wal) AS s
    WHERE s.name = p_name;
$$;
SELECT is(
    ARRAY(SELECT name FROM pgtandem._check_settings(pgtandem.mapping_of('gear'), NULL)
          ORDER BY name),
    ARRAY['autovacuum', 'client_connection_check_interval', 'deadlock_timeout', 'lock_timeout',
          'max_wal_size', 'statement_timeout', 'track_counts', 'wal_level'],
    'each setting'
);
SET LOCAL lock_timeout = '100ms';
SET LOCAL statement_timeout = '1h';
SET LOCAL client_connection_check_interval = '2s';
SELECT is(ARRAY[pg_temp.setting('lock_timeout'), pg_temp.setting('statement_timeout'),
                pg_temp.setting('client_connection_check_interval')],
          ARRAY['warn', 'warn', 'pass'], 'those of this session');
SELECT is(pg_temp.setting('max_wal_size', 1e15), 'warn', 'far more WAL than it allows');
SELECT is(pg_temp.setting('max_wal_size', 1), 'pass', 'little WAL');
UPDATE pgtandem.mapping SET settings = jsonb_set(settings, '{sync,lock_timeout}', '"1h"')
WHERE name = 'gear';
SELECT is(pg_temp.setting('deadlock_timeout'), 'fail', 'the sync would wait for longer');

-- _check_blockers
SELECT results_eq(
    $$ SELECT name, state, figure
       FROM pgtandem._check_blockers('gear', 'ACCESS EXCLUSIVE', '1 minute') $$,
    $$ VALUES ('lock_of_source', 'pass',
               'ACCESS EXCLUSIVE user_core.old_equipment: nobody is in the way'),
              ('lock_of_target', 'pass',
               'ACCESS EXCLUSIVE gear_ops.gear_items: nobody is in the way') $$,
    'nobody holds a lock'
);

SELECT * FROM finish();
ROLLBACK;
