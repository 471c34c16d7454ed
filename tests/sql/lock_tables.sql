-- Tests pgtandem:lock_tables. Changes nothing; needs pgTAP in the search path. What it does while
-- others hold a lock takes two sessions: tests/test_routines.py.
\ir ../error_of.sql

BEGIN;

SELECT plan(10);

CREATE SCHEMA shop;
CREATE TABLE shop.old (id integer);
CREATE TABLE shop."Strange ""name" (id integer);

SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.lock_tables('{shop.old}', 'SHARE') $$),
    ARRAY['TD005', 'lock_tables does not take the mode SHARE', '',
          'Say ACCESS SHARE, SHARE ROW EXCLUSIVE or ACCESS EXCLUSIVE.'],
    'TD005: a mode that it does not take'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.lock_tables('{shop.old}',
                                                     'x MODE; DROP TABLE shop.old') $$))[1],
    'TD005', 'TD005: nor anything else'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.lock_tables('{shop.old}', NULL) $$))[1],
    'TD005', 'TD005: nor NULL'
);
SELECT is(
    pgtandem.lock_tables(
        ARRAY['shop.old', 'shop."Strange ""name"']::regclass[], 'SHARE ROW EXCLUSIVE'
    ),
    1, 'free tables are locked in one try'
);
SELECT set_has(
    $$ SELECT relation::regclass, mode FROM pg_catalog.pg_locks
       WHERE locktype = 'relation' AND pid = pg_backend_pid() AND granted $$,
    $$ VALUES ('shop.old'::regclass, 'ShareRowExclusiveLock'),
              ('shop."Strange ""name"'::regclass, 'ShareRowExclusiveLock') $$,
    'all of them'
);
SELECT is(current_setting('lock_timeout'), '500ms', 'what follows waits for a lock 500 ms at most');
SELECT is(pgtandem.lock_tables('{shop.old}', 'ACCESS EXCLUSIVE', 1), 1, 'the stronger mode');
SELECT is(pgtandem.lock_tables('{shop.old}', 'ACCESS SHARE', 1), 1, 'the weakest');
SELECT is(pgtandem.lock_tables('{}', 'ACCESS EXCLUSIVE'), 1, 'no tables');
SELECT is(
    pgtandem._blockers('{shop.old}', 'ACCESS EXCLUSIVE'), NULL, 'a session is not in its own way'
);

SELECT * FROM finish();

ROLLBACK;
