-- Tests pgtandem:progress. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(26);

DELETE FROM pgtandem.mapping;
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'pgtandem.event', 'pgtandem.worker',
                                 ARRAY['id'], '{}', '0.1.0');
CREATE FUNCTION pg_temp.chunk(p_first bigint, p_last bigint, p_age interval, p_rows bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO pgtandem.chunk (mapping, relation, filenode, first_block, last_block, done_at, rows,
                                set_aside, seconds)
    VALUES ('shop', 'pgtandem.event', 0, p_first, p_last, clock_timestamp() - p_age, p_rows, 0,
            0.1);
$$;

SELECT columns_are('pgtandem', 'progress', ARRAY[
    'mapping', 'copy_state', 'blocks', 'blocks_done', 'percent', 'rows_done', 'rows_per_second',
    'eta', 'workers', 'waiting_for', 'queued', 'failed', 'delay', 'chunks',
    'chunks_done'
]);
SELECT columns_are('pgtandem', 'queue_status', ARRAY[
    'mapping', 'side', 'reason', 'entries', 'failed', 'oldest'
]);
SELECT columns_are('pgtandem', 'failure_status', ARRAY[
    'mapping', 'reason', 'failures', 'last_failed_at'
]);
SELECT columns_are('pgtandem', 'comparison_status', ARRAY[
    'mapping', 'comparison', 'started_at', 'finished_at', 'source_rows', 'target_rows', 'missing',
    'extra', 'changed', 'differences', 'counts', 'clean', 'last_clean'
]);
SELECT columns_are('pgtandem', 'failures', ARRAY[
    'mapping', 'key', 'reason', 'sqlstate', 'message', 'attempts', 'queued_at', 'not_before'
]);
SELECT columns_are('pgtandem', 'status', ARRAY[
    'mapping', 'phase', 'source', 'target', 'copy_state', 'percent', 'queued', 'failed',
    'last_comparison', 'differences', 'comparison_counts', 'hash', 'delay', 'last_clean'
]);

-- progress
SELECT results_eq(
    $$ SELECT * FROM pgtandem.progress $$,
    $$ VALUES ('shop', 'none', 0::numeric, 0::numeric, NULL::numeric, 0::numeric, NULL::numeric,
               NULL::interval, 0::bigint, NULL::text, 0::bigint, 0::bigint, NULL::interval,
               0::bigint, 0::bigint) $$,
    'nothing has begun'
);
UPDATE pgtandem.mapping SET copy_state = 'open';
-- 10 blocks long ago, 20 in the last 10 seconds, 70 to go.
SELECT pg_temp.chunk(0, 10, '1 hour', 100);
SELECT pg_temp.chunk(10, 20, '9.9 seconds', 200);
SELECT pg_temp.chunk(20, 30, '1 second', 300);
SELECT pg_temp.chunk(30, 100, NULL, NULL);
SELECT results_eq(
    $$ SELECT copy_state, blocks, blocks_done, percent, rows_done, chunks, chunks_done
       FROM pgtandem.progress $$,
    $$ VALUES ('open', 100::numeric, 30::numeric, 30.0::numeric, 600::numeric, 4::bigint,
               3::bigint) $$,
    'how far it is'
);
SELECT ok(
    (SELECT rows_per_second BETWEEN 15 AND 18 FROM pgtandem.progress),
    'how fast in the last 30 seconds: 500 rows'
);
SELECT ok(
    (SELECT eta BETWEEN '95 seconds' AND '120 seconds' FROM pgtandem.progress),
    'and how long 70 blocks take, at 20 in 30 seconds'
);
SELECT pgtandem._worker_start('shop');
SELECT pgtandem._worker_waits('a bus');
INSERT INTO pgtandem.worker (pid, backend_start, mapping, waiting_for)
VALUES (0, now(), 'shop', 'the dead');
SELECT results_eq(
    $$ SELECT workers, waiting_for FROM pgtandem.progress $$, $$ VALUES (1::bigint, 'a bus') $$,
    'who is at work, and what it waits for'
);
SELECT pgtandem.pause('shop');
SELECT is(
    (SELECT waiting_for FROM pgtandem.progress), 'paused by ' || session_user,
    'that it is paused counts more'
);
SELECT pgtandem.queue('shop', '[1]', 'gone');
SELECT pgtandem.queue('shop', '[9]', 'contract', 'source');
SELECT pgtandem.record_failure('shop', '[2]', 'sync', '23514', 'no');
SELECT results_eq(
    $$ SELECT queued, failed FROM pgtandem.progress $$, $$ VALUES (2::bigint, 1::bigint) $$,
    'what is queued, and what of it failed'
);
UPDATE pgtandem.recheck SET queued_at = clock_timestamp() - interval '2 minutes'
WHERE key = '[1]';
UPDATE pgtandem.recheck SET queued_at = clock_timestamp() - interval '1 hour' WHERE key = '[9]';
SELECT ok(
    (SELECT delay BETWEEN '2 minutes' AND '130 seconds' FROM pgtandem.progress),
    'how old the oldest entry of the target is'
);
SELECT results_eq(
    $$ SELECT side, reason, entries, failed, oldest < clock_timestamp() - interval '1 minute'
       FROM pgtandem.queue_status ORDER BY side, reason $$,
    $$ VALUES ('source', 'contract', 1::bigint, 0::bigint, true), ('target', 'copy', 0, 0, NULL),
              ('target', 'difference', 0, 0, NULL), ('target', 'gone', 1, 0, true),
              ('target', 'queued', 0, 0, NULL), ('target', 'sync', 1, 1, false) $$,
    'the queue by reasons, those without an entry, too'
);
INSERT INTO pgtandem.sync_failure (mapping, key, reason, sqlstate, message, failed_at, repaired_at)
VALUES ('shop', '[3]', 'sync', '23514', 'no', now() - interval '1 day', now()),
       ('none', '[3]', 'sync', '23514', 'no', now(), NULL);
SELECT results_eq(
    $$ SELECT mapping, reason, failures, last_failed_at >= now()
       FROM pgtandem.failure_status ORDER BY reason $$,
    $$ VALUES ('shop', 'copy', 0::bigint, NULL), ('shop', 'sync', 2, true) $$,
    'failures by reasons, repaired ones, too'
);
UPDATE pgtandem.mapping SET copy_state = 'complete';
SELECT results_eq(
    $$ SELECT percent, eta FROM pgtandem.progress $$, $$ VALUES (100.0::numeric, NULL::interval) $$,
    'when it is complete'
);

-- failures
SELECT results_eq(
    $$ SELECT mapping, key, reason, sqlstate, message, attempts, not_before
       FROM pgtandem.failures $$,
    $$ VALUES ('shop', '[2]'::jsonb, 'sync', '23514', 'no', 0, '-infinity'::timestamptz) $$,
    'what failed, and how'
);

-- status
SELECT results_eq(
    $$ SELECT mapping, phase, source, target, copy_state, percent, queued, failed, last_comparison,
              differences, comparison_counts, hash
       FROM pgtandem.status $$,
    $$ VALUES ('shop', 'expand', 'pgtandem.event', 'pgtandem.worker', 'complete', 100.0::numeric,
               2::bigint, 1::bigint, NULL::timestamptz, NULL::bigint, false, repeat('a', 64)) $$,
    'where a mapping is'
);
SELECT is_empty($$ SELECT * FROM pgtandem.comparison_status $$, 'nothing was compared');
UPDATE pgtandem.mapping SET copy_changed = now() - interval '1 hour';
SELECT pgtandem.save_comparison('shop', repeat('a', 64), 'full', now() - interval '2 hours', '',
                                9, 9, 0, 0, 0);
SELECT results_eq(
    $$ SELECT counts, clean, last_clean FROM pgtandem.comparison_status $$,
    $$ VALUES (true, false, NULL::timestamptz) $$,
    'what is older than the copy is not clean'
);
SELECT pgtandem.save_comparison('shop', repeat('a', 64), 'full', now() - interval '1 minute', '',
                                9, 9, 0, 0, 0);
SELECT results_eq(
    $$ SELECT clean, last_clean FROM pgtandem.comparison_status $$,
    $$ VALUES (true, now() - interval '1 minute') $$,
    'what is newer, is'
);
SELECT pgtandem.save_comparison('shop', repeat('a', 64), 'full', now(), '', 10, 11, 1, 2, 3);
SELECT results_eq(
    $$ SELECT source_rows, target_rows, missing, extra, changed, differences, counts, clean,
              last_clean
       FROM pgtandem.comparison_status $$,
    $$ VALUES (10::bigint, 11::bigint, 1::bigint, 2::bigint, 3::bigint, 6::bigint, true, false,
               now() - interval '1 minute') $$,
    'the last one found differences, the one before did not'
);
SELECT pgtandem.save_comparison('shop', repeat('a', 64), 'sample', now(), '', 10, 10, 0, 0, 0);
SELECT results_eq(
    $$ SELECT last_comparison IS NOT NULL, differences, comparison_counts, last_clean
       FROM pgtandem.status $$,
    $$ VALUES (true, 6::bigint, true, now() - interval '1 minute') $$,
    'and what the last full comparison found'
);
UPDATE pgtandem.mapping SET hash = repeat('b', 64);
SELECT results_eq(
    $$ SELECT comparison_counts, last_clean FROM pgtandem.status $$,
    $$ VALUES (false, NULL::timestamptz) $$,
    'which does not count for another mapping'
);
SELECT pgtandem.register_mapping('stall', repeat('a', 64), 'pgtandem.event', 'pgtandem.worker',
                                 ARRAY['id'], '{}', '0.1.0');
SELECT set_eq(
    $$ SELECT s.mapping, p.blocks FROM pgtandem.status AS s JOIN pgtandem.progress AS p
       USING (mapping) $$,
    $$ VALUES ('shop', 100::numeric), ('stall', 0) $$,
    'a line for each mapping'
);

SELECT * FROM finish();

ROLLBACK;
