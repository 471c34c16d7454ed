-- Tests pgtandem:worker. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(11);

SELECT columns_are('pgtandem', 'worker', ARRAY[
    'pid', 'backend_start', 'mapping', 'started_at', 'waiting_for', 'waiting_since'
]);
SELECT col_is_pk('pgtandem', 'worker', 'pid', 'pid is the key');
SELECT is(
    (SELECT relpersistence FROM pg_catalog.pg_class WHERE oid = 'pgtandem.worker'::regclass),
    'u', 'it is empty after a crash, as are the sessions'
);
SELECT is(
    pgtandem._backend_start(),
    (SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()),
    'when this backend started'
);

INSERT INTO pgtandem.worker (pid, backend_start, mapping) VALUES (0, now(), 'gear');
SELECT pgtandem._worker_start('gear');
SELECT results_eq(
    $$ SELECT pid, backend_start, mapping, waiting_for, waiting_since FROM pgtandem.worker $$,
    $$ VALUES (pg_backend_pid(), pgtandem._backend_start(), 'gear', NULL::text,
               NULL::timestamptz) $$,
    'a worker is shown; one whose session has ended is not'
);
SELECT pgtandem._worker_waits('a bus');
SELECT results_eq(
    $$ SELECT waiting_for, waiting_since BETWEEN now() AND clock_timestamp()
        FROM pgtandem.worker $$,
    $$ VALUES ('a bus', true) $$,
    'what it waits for, and since when'
);
UPDATE pgtandem.worker SET waiting_since = '2000-01-01';
SELECT pgtandem._worker_waits('a bus');
SELECT is(
    (SELECT waiting_since FROM pgtandem.worker), '2000-01-01', 'it still waits since then'
);
SELECT pgtandem._worker_waits(NULL);
SELECT results_eq(
    $$ SELECT waiting_for, waiting_since FROM pgtandem.worker $$,
    $$ VALUES (NULL::text, NULL::timestamptz) $$,
    'it works again'
);
SELECT pgtandem._worker_waits('a bus');
SELECT pgtandem._worker_start('other');
SELECT results_eq(
    $$ SELECT mapping, waiting_for, waiting_since FROM pgtandem.worker $$,
    $$ VALUES ('other', NULL::text, NULL::timestamptz) $$,
    'it begins anew'
);
SELECT pgtandem._worker_end();
SELECT is_empty($$ SELECT FROM pgtandem.worker $$, 'it has ended');
SELECT lives_ok($$ SELECT pgtandem._worker_end() $$, 'and may end again');

SELECT * FROM finish();

ROLLBACK;
