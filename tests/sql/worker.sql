-- Tests pgtandem:worker. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(26);

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

-- worker_status
SELECT columns_are('pgtandem', 'worker_status', ARRAY[
    'mapping', 'pid', 'started_at', 'waiting_for', 'kind', 'waiting_since'
]);
INSERT INTO pgtandem.worker (pid, backend_start, mapping) VALUES (0, now(), 'gear');
SELECT pgtandem._worker_waits('a vacuum of one of the tables');
SELECT results_eq(
    $$ SELECT mapping, pid, waiting_for, kind FROM pgtandem.worker_status $$,
    $$ VALUES ('other', pg_backend_pid(), 'a vacuum of one of the tables', 'vacuum') $$,
    'who is at work; not whose session has ended'
);

-- _wait_kind: each reason that the engine gives; tests/test_metrics.py looks for new ones
SELECT is(pgtandem._wait_kind(w.reason), w.kind, coalesce(w.reason, 'nothing'))
FROM (VALUES
    ('paused by ana', 'paused'),
    ('replication lag of a: 70 MB, limit 64 MB', 'replication_lag'),
    ('slot s retains 5 GB of WAL, limit 4 GB', 'slot'),
    ('WAL rate 40 MB/s, limit 10 MB/s', 'wal_rate'),
    ('a vacuum of one of the tables', 'vacuum'),
    ('the pause between chunks', 'pause'),
    ('2 older transactions to end (pid 1, 2)', 'older_transactions'),
    ('3 rows that are locked or failed', 'rows'),
    ('a lock on a or b', 'lock'),
    ('4 sessions that waited for the last chunk', 'blocked_sessions'),
    ('the chunks of other workers', 'other_workers'),
    ('another worker that looks for rows without a source', 'other_workers'),
    (NULL, NULL)
) AS w (reason, kind);

DELETE FROM pgtandem.worker WHERE pid = 0;
SELECT pgtandem._worker_end();
SELECT is_empty($$ SELECT FROM pgtandem.worker $$, 'it has ended');
SELECT lives_ok($$ SELECT pgtandem._worker_end() $$, 'and may end again');

SELECT * FROM finish();

ROLLBACK;
