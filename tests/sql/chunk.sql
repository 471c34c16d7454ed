-- Tests pgtandem:chunk. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(28);

CREATE SCHEMA shop;
-- A row a block, without an index to speak of.
CREATE TABLE shop.old (id integer, name text) WITH (fillfactor = 10);
ALTER TABLE shop.old ALTER name SET STORAGE PLAIN;
INSERT INTO shop.old SELECT n, repeat('x', 5000) FROM generate_series(1, 1100) AS n;
CREATE TABLE shop.new (id integer, name text);
CREATE TABLE shop.parts (id integer) PARTITION BY RANGE (id);
CREATE TABLE shop.part1 PARTITION OF shop.parts FOR VALUES FROM (1) TO (10);
CREATE TABLE shop.part2 PARTITION OF shop.parts FOR VALUES FROM (10) TO (20)
    PARTITION BY RANGE (id);
CREATE TABLE shop.part21 PARTITION OF shop.part2 DEFAULT;
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.old', 'shop.new', ARRAY['id'], '{}',
                                 '0.1.0');
SELECT pgtandem.register_mapping('parts', repeat('b', 64), 'shop.parts', 'shop.new', ARRAY['id'],
                                 '{}', '0.1.0');

SELECT columns_are('pgtandem', 'chunk', ARRAY[
    'id', 'mapping', 'relation', 'filenode', 'first_block', 'last_block', 'done_at', 'rows',
    'set_aside', 'seconds', 'strategy', 'worker'
]);
SELECT col_is_pk('pgtandem', 'chunk', 'id', 'id is the key');
SELECT fk_ok('pgtandem', 'chunk', 'mapping', 'pgtandem', 'mapping', 'name');

-- _leaves
SELECT set_eq(
    $$ SELECT pgtandem._leaves('shop.old') $$, $$ VALUES ('shop.old'::regclass) $$,
    'a table holds its own rows'
);
SELECT set_eq(
    $$ SELECT pgtandem._leaves('shop.parts') $$,
    $$ VALUES ('shop.part1'::regclass), ('shop.part21') $$,
    'the leaves hold those of a partitioned table'
);
SELECT is_empty($$ SELECT pgtandem._leaves('pg_stat_activity') $$, 'a view holds none');

-- _relations
SELECT set_eq(
    $$ SELECT pgtandem._relations('shop.old') $$, $$ VALUES ('shop.old'::regclass) $$,
    'a table has no partitions'
);
SELECT set_eq(
    $$ SELECT pgtandem._relations('shop.parts') $$,
    $$ SELECT relid FROM pg_catalog.pg_partition_tree('shop.parts') $$,
    'or it and all of them'
);

-- _list_chunks
SELECT lives_ok($$ SELECT pgtandem._list_chunks('shop', 'shop.old') $$, 'a table is listed');
SELECT results_eq(
    $$ SELECT relation, filenode, first_block, last_block, done_at
       FROM pgtandem.chunk WHERE mapping = 'shop' ORDER BY id $$,
    $$ VALUES ('shop.old'::regclass, pg_relation_filenode('shop.old')::oid, 0::bigint, 512::bigint,
               NULL::timestamptz),
              ('shop.old', pg_relation_filenode('shop.old'), 512, 1024, NULL),
              ('shop.old', pg_relation_filenode('shop.old'), 1024, 1100, NULL) $$,
    'in ranges of 512 blocks, from its first to its last'
);
SELECT pgtandem._list_chunks('shop', 'shop.old');
SELECT is(
    (SELECT count(*) FROM pgtandem.chunk WHERE mapping = 'shop'), 3::bigint,
    'listed anew, not twice'
);
SELECT pgtandem._list_chunks('shop', 'shop.new');
SELECT results_eq(
    $$ SELECT first_block, last_block FROM pgtandem.chunk WHERE relation = 'shop.new'::regclass $$,
    $$ VALUES (0::bigint, 1::bigint) $$,
    'an empty table is one chunk of one block'
);
SELECT throws_ok(
    $$ INSERT INTO pgtandem.chunk (mapping, relation, filenode, first_block, last_block)
       VALUES ('shop', 'shop.old', 0, 5, 5) $$,
    '23514', NULL, 'no chunk is empty'
);

-- _list_new_leaves
SELECT is(pgtandem._list_new_leaves('parts'), 2, 'each leaf is listed');
SELECT is(pgtandem._list_new_leaves('parts'), 0, 'and not again');
CREATE TABLE shop.part3 PARTITION OF shop.parts DEFAULT;
SELECT is(pgtandem._list_new_leaves('parts'), 1, 'a leaf that has come since is');
SELECT throws_ok(
    $$ SELECT pgtandem._list_new_leaves('none') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

-- open_copy
SELECT lives_ok($$ SELECT pgtandem.open_copy('shop') $$, 'a copy is opened');
SELECT results_eq(
    $$ SELECT copy_state, copy_strategy, copy_changed > now() FROM pgtandem.mapping
       WHERE name = 'shop' $$,
    $$ VALUES ('open', 'insert', true) $$,
    'by inserts, as the target is empty'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.chunk WHERE mapping = 'shop' $$,
    'the list is made later, when the triggers are committed'
);
SELECT bag_has(
    $$ SELECT relation::regclass, mode FROM pg_catalog.pg_locks
       WHERE pid = pg_backend_pid() AND granted AND relation IS NOT NULL $$,
    $$ VALUES ('shop.old'::regclass, 'ShareRowExclusiveLock'),
              ('shop.new', 'ShareRowExclusiveLock') $$,
    'no writer is at work on either side'
);
INSERT INTO shop.new VALUES (1, 'x');
SELECT pgtandem.open_copy('shop');
SELECT is(
    (SELECT copy_strategy FROM pgtandem.mapping WHERE name = 'shop'), 'overwrite',
    'what the target holds already may be older'
);
SELECT results_eq(
    $$ SELECT detail FROM pgtandem.event WHERE mapping = 'shop' AND kind = 'copy' ORDER BY id $$,
    $$ VALUES ('{"state": "open", "strategy": "insert"}'::jsonb),
              ('{"state": "open", "strategy": "overwrite"}') $$,
    'each opening is logged'
);
UPDATE pgtandem.mapping SET phase = 'sync' WHERE name = 'shop';
SELECT pgtandem.open_copy('shop');
SELECT is(
    (SELECT sweep FROM pgtandem.mapping WHERE name = 'shop'), 'remove',
    'what has no source row any more is to go'
);
TRUNCATE shop.new;
UPDATE pgtandem.mapping SET settings = '{"merge": {"wins": "source"}}' WHERE name = 'shop';
SELECT pgtandem.open_copy('shop');
SELECT results_eq(
    $$ SELECT copy_strategy, sweep FROM pgtandem.mapping WHERE name = 'shop' $$,
    $$ VALUES ('overwrite', 'none') $$,
    'but not of a merge, where rows of the application''s may also come at any moment'
);
SELECT throws_ok(
    $$ SELECT pgtandem.open_copy('none') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

-- close_sync
SELECT pgtandem._list_chunks('shop', 'shop.old');
SELECT pgtandem.queue('shop', '[1]', 'gone');
SELECT pgtandem.queue('parts', '[1]', 'gone');
SELECT pgtandem.close_sync('shop');
SELECT results_eq(
    $$ SELECT copy_state,
              (SELECT count(*) FROM pgtandem.chunk WHERE mapping = 'shop'),
              (SELECT count(*) FROM pgtandem.recheck WHERE mapping = 'shop')
       FROM pgtandem.mapping WHERE name = 'shop' $$,
    $$ VALUES ('none', 0::bigint, 0::bigint) $$,
    'chunks and queue are forgotten'
);
SELECT isnt_empty(
    $$ SELECT FROM pgtandem.recheck WHERE mapping = 'parts' $$, 'those of the mapping alone'
);

SELECT * FROM finish();

ROLLBACK;
