-- Tests pgtandem:recheck. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(28);

SELECT columns_are('pgtandem', 'recheck', ARRAY[
    'id', 'mapping', 'key', 'side', 'via', 'reason', 'sqlstate', 'message', 'attempts', 'queued_at',
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
     WHERE oid = 'pgtandem.queue(text, jsonb, text, text, text)'::regprocedure),
    NULL, 'queue has no settings, so PostgreSQL can write it into its callers'
);

-- _cascades
CREATE TEMPORARY TABLE parent (a integer, b text, PRIMARY KEY (a, b));
CREATE TEMPORARY TABLE child (
    d text, c integer, e integer,
    CONSTRAINT along FOREIGN KEY (c, d) REFERENCES parent (a, b) ON DELETE CASCADE
);
CREATE FUNCTION pg_temp.cascades(p_child text[], p_parent text[]) RETURNS boolean
LANGUAGE sql AS $$
    SELECT pgtandem._cascades('pg_temp.child', p_child, 'pg_temp.parent', p_parent);
$$;
SELECT is(pg_temp.cascades(k.child, k.parent), k.goes, format('%s and %s', k.child, k.parent))
FROM (VALUES ('{c,d}'::text[], '{a,b}'::text[], true), ('{d,c}', '{b,a}', true),
             ('{c,d}', '{b,a}', false), ('{c}', '{a}', false)) AS k (child, parent, goes);
ALTER TABLE child DROP CONSTRAINT along, ADD CONSTRAINT along
    FOREIGN KEY (c, d) REFERENCES parent (a, b) ON DELETE CASCADE NOT VALID;
SELECT ok(NOT pg_temp.cascades('{c,d}', '{a,b}'), 'it may hold what it did not see');
ALTER TABLE child DROP CONSTRAINT along, ADD CONSTRAINT along
    FOREIGN KEY (c, d) REFERENCES parent (a, b) ON DELETE CASCADE DEFERRABLE;
SELECT ok(NOT pg_temp.cascades('{c,d}', '{a,b}'), 'or act late');
ALTER TABLE child DROP CONSTRAINT along, ADD CONSTRAINT along
    FOREIGN KEY (c, d) REFERENCES parent (a, b);
SELECT ok(NOT pg_temp.cascades('{c,d}', '{a,b}'), 'or refuse');

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

-- key_value
SET LOCAL "TimeZone" = 'Asia/Kathmandu';
SET LOCAL "DateStyle" = 'German';
SET LOCAL bytea_output = 'escape';
SET LOCAL extra_float_digits = -10;
SELECT results_eq(
    $$ SELECT pgtandem.key_value('2026-11-23 10:00:00+01'::timestamptz),
              pgtandem.key_value('\x00ff'::bytea),
              pgtandem.key_value(0.1::float8 + 0.2),
              pgtandem.key_value(tstzrange('2026-11-23 10:00:00+01', NULL)) $$,
    $$ VALUES ('"2026-11-23T09:00:00+00:00"'::jsonb, '"\\x00ff"'::jsonb,
               '0.30000000000000004'::jsonb, '"[\"2026-11-23 09:00:00+00\",)"'::jsonb) $$,
    'a key is the same in every session'
);
SELECT is(
    current_setting('TimeZone') || current_setting('extra_float_digits'), 'Asia/Kathmandu-10',
    'whose settings stay'
);

SELECT * FROM finish();

ROLLBACK;
