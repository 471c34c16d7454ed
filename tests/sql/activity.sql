-- Tests pgtandem:activity, on gear. Changes nothing; needs pgTAP in the search path. What was
-- measured is reported at the end of a transaction: tests/test_cli_control.py.
BEGIN;
\ir ../gear_rows.sql

SELECT plan(15);

SELECT columns_are('pgtandem', 'table_activity', ARRAY[
    'mapping', 'side', 'relation', 'live_rows', 'inserts', 'updates', 'hot_updates', 'deletes',
    'seq_scans', 'index_scans', 'dead_rows', 'last_vacuum', 'last_analyze', 'bytes'
]);
SELECT columns_are('pgtandem', 'trigger_cost', ARRAY[
    'mapping', 'function', 'calls', 'total_ms', 'mean_ms', 'to_measure'
]);
SELECT columns_are('pgtandem', 'index_use', ARRAY[
    'mapping', 'name', 'valid', 'bytes', 'scans', 'entries_read', 'definition', 'query'
]);
SELECT columns_are('pgtandem', 'slow_statements', ARRAY[
    'mapping', 'calls', 'mean_ms', 'total_ms', 'query'
]);

SELECT columns_are('pgtandem', 'lock_waits', ARRAY[
    'pid', 'role', 'application', 'mode', 'since', 'blocked_by', 'query'
]);
SELECT columns_are('pgtandem', 'event_status', ARRAY['mapping', 'kind', 'events', 'last_at']);

SELECT pgtandem.log_event('gear', 'override', '{}', 'it is late');
SELECT pgtandem.log_event('gear', 'override', '{}', 'again');
SELECT pgtandem.log_event('forgotten', 'override', '{}', 'long ago');
SELECT results_eq(
    $$ SELECT mapping, events, last_at BETWEEN now() AND clock_timestamp()
       FROM pgtandem.event_status WHERE kind = 'override' $$,
    $$ VALUES ('gear', 2::bigint, true) $$,
    'events, of the mappings that are deployed'
);

SELECT results_eq(
    $$ SELECT side, relation, bytes > 0 FROM pgtandem.table_activity
       WHERE mapping = 'gear' ORDER BY side $$,
    $$ VALUES ('source', 'user_core.old_equipment', true),
              ('target', 'gear_ops.gear_items', true) $$,
    'both tables'
);
CREATE SCHEMA shop;
CREATE TABLE shop.parts (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id);
CREATE TABLE shop.few PARTITION OF shop.parts FOR VALUES FROM (0) TO (10);
CREATE TABLE shop.many PARTITION OF shop.parts FOR VALUES FROM (10) TO (1000);
CREATE TABLE shop.other (id integer PRIMARY KEY, name text);
CREATE INDEX by_name ON shop.other (name);
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.parts', 'shop.other', ARRAY['id'],
                                 '{}', '0.1.0');
SELECT is(
    (SELECT bytes FROM pgtandem.table_activity WHERE relation = 'shop.parts'),
    pg_total_relation_size('shop.few') + pg_total_relation_size('shop.many'),
    'a table with all its partitions'
);

SELECT results_eq(
    $$ SELECT function, calls, to_measure FROM pgtandem.trigger_cost
       WHERE mapping = 'gear' AND function LIKE 'sync%' AND calls IS NULL ORDER BY function $$,
    format($$ VALUES ('sync_back'::name, NULL::bigint, %1$L), ('sync_forward', NULL, %1$L) $$,
           format('ALTER DATABASE %I SET track_functions = ''pl'';', current_database())),
    'what is not measured says how it would be'
);

SELECT pgtandem.register_index('shop', 'by_name', 'USING btree (name)', 'SELECT 1');
SELECT pgtandem.register_index('shop', 'gone', 'USING btree (id)', NULL);
SELECT results_eq(
    $$ SELECT name, valid, bytes, scans, definition, query FROM pgtandem.index_use ORDER BY name $$,
    $$ VALUES ('by_name', true, pg_relation_size('shop.by_name'), 0::bigint, 'USING btree (name)',
               'SELECT 1'),
              ('gone', false, NULL, NULL, 'USING btree (id)', NULL) $$,
    'an index, and one that is gone'
);
DROP TABLE shop.other;
SELECT results_eq(
    $$ SELECT name, valid, bytes FROM pgtandem.index_use ORDER BY name $$,
    $$ VALUES ('by_name', false, NULL::bigint), ('gone', false, NULL) $$,
    'their table is gone'
);
SELECT results_eq(
    $$ SELECT side, bytes IS NULL FROM pgtandem.table_activity
       WHERE mapping = 'shop' ORDER BY side $$,
    $$ VALUES ('source', false), ('target', true) $$,
    'a table that is gone'
);

SELECT is_empty(
    $$ SELECT * FROM pgtandem._statements('{user_core.old_equipment}') $$,
    'without the extension nothing is known of statements'
);
SELECT is_empty($$ SELECT * FROM pgtandem.slow_statements $$, 'which is no error');

SELECT * FROM finish();

ROLLBACK;
