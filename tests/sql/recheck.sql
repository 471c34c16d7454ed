-- Tests pgtandem:recheck. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(19);

SELECT columns_are('pgtandem', 'recheck', ARRAY[
    'id', 'mapping', 'key', 'side', 'reason', 'sqlstate', 'message', 'attempts', 'queued_at',
    'not_before'
]);
SELECT columns_are('pgtandem', 'sync_failure', ARRAY[
    'id', 'mapping', 'key', 'reason', 'sqlstate', 'message', 'failed_at', 'repaired_at'
]);
SELECT col_is_pk('pgtandem', 'recheck', 'id', 'id is the key of recheck');
SELECT col_is_pk('pgtandem', 'sync_failure', 'id', 'id is the key of sync_failure');
SELECT has_index('pgtandem', 'recheck', 'recheck_key_idx', ARRAY['mapping', 'key']);
SELECT has_index('pgtandem', 'sync_failure', 'sync_failure_open_idx', ARRAY['mapping', 'key']);

-- An entry is written in transactions of the applications: nothing of it may wait or fail.
SELECT is_empty(
    $$ SELECT conname FROM pg_catalog.pg_constraint
       WHERE conrelid = 'pgtandem.recheck'::regclass AND contype IN ('f', 'u') $$,
    'the queue has no unique and no foreign key'
);

-- queue
SELECT lives_ok(
    $$ SELECT pgtandem.queue('shop', '[1, "a"]', 'gone') $$, 'a key is queued'
);
SELECT pgtandem.queue('shop', '[1, "a"]', 'contract', 'source');
SELECT results_eq(
    $$ SELECT key, side, reason, sqlstate, message, attempts, not_before FROM pgtandem.recheck
       WHERE mapping = 'shop' ORDER BY id $$,
    $$ VALUES ('[1, "a"]'::jsonb, 'target', 'gone', NULL::text, NULL::text, 0,
               '-infinity'::timestamptz),
              ('[1, "a"]'::jsonb, 'source', 'contract', NULL, NULL, 0, '-infinity') $$,
    'as often as it is queued, due at once'
);
SELECT throws_ok(
    $$ SELECT pgtandem.queue('shop', '[1]', 'whim') $$, '23514', NULL, 'reasons are few'
);
SELECT throws_ok(
    $$ SELECT pgtandem.queue('shop', '[1]', 'gone', 'both') $$, '23514', NULL, 'sides are two'
);
SELECT throws_ok(
    $$ SELECT pgtandem.queue('shop', NULL, 'gone') $$, '23502', NULL, 'a key is no NULL'
);
SELECT is(
    (SELECT proconfig FROM pg_catalog.pg_proc
     WHERE oid = 'pgtandem.queue(text, jsonb, text, text)'::regprocedure),
    NULL, 'queue has no settings, so PostgreSQL can write it into its callers'
);

-- record_failure
SELECT lives_ok(
    $$ SELECT pgtandem.record_failure('shop', '[2]', 'sync', '23505', 'twice') $$,
    'a failure is recorded'
);
SELECT results_eq(
    $$ SELECT key, reason, sqlstate, message, repaired_at FROM pgtandem.sync_failure
       WHERE mapping = 'shop' $$,
    $$ VALUES ('[2]'::jsonb, 'sync', '23505', 'twice', NULL::timestamptz) $$,
    'for the record'
);
SELECT results_eq(
    $$ SELECT side, reason, sqlstate, message, attempts FROM pgtandem.recheck
       WHERE mapping = 'shop' AND key = '[2]' $$,
    $$ VALUES ('target', 'sync', '23505', 'twice', 0) $$,
    'and its key queued'
);
SELECT throws_ok(
    $$ SELECT pgtandem.record_failure('shop', '[2]', 'gone', '23505', 'twice') $$,
    '23514', NULL, 'a failure is one of sync or copy'
);

-- _forget_recheck
INSERT INTO pgtandem.mapping (name, hash, source, target, key, rendered_by)
VALUES ('shop', repeat('a', 64), 'pg_class', 'pg_class', ARRAY['oid'], '0.1.0');
SELECT pgtandem.queue('stall', '[3]', 'gone');
SELECT pgtandem.forget_mapping('shop');
SELECT results_eq(
    $$ SELECT DISTINCT mapping FROM pgtandem.recheck WHERE mapping IN ('shop', 'stall') $$,
    $$ VALUES ('stall') $$,
    'a mapping that is forgotten takes its queue along, and no other'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.sync_failure WHERE mapping = 'shop' $$, 'and its failures'
);

SELECT * FROM finish();

ROLLBACK;
