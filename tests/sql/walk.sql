-- Tests pgtandem:walk. Changes nothing; needs pgTAP in the search path. The procedure is tested in
-- tests/test_contract_columns.py.
\ir ../error_of.sql

BEGIN;

SELECT plan(17);

CREATE SCHEMA shop;
CREATE TABLE shop.old (id integer PRIMARY KEY, name text) WITH (fillfactor = 10);
CREATE TABLE shop.new (id integer PRIMARY KEY);
INSERT INTO shop.old SELECT n, repeat('x', 100) FROM generate_series(1, 50) AS n;
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.old', 'shop.new', ARRAY['id'],
                                 '{"contract": {"columns": ["name"]}}', '0.1.0');
CREATE SCHEMA pgtandem_shop;
CREATE TABLE shop.seen (id integer);
CREATE FUNCTION pgtandem_shop.archive_chunk(regclass, bigint, bigint) RETURNS bigint
LANGUAGE sql AS $$
    WITH w AS (INSERT INTO shop.seen SELECT id FROM shop.old
               WHERE ctid >= format('(%s,0)', $2)::tid AND ctid < format('(%s,0)', $3)::tid
               RETURNING 1)
    SELECT count(*) FROM w;
$$;
CREATE FUNCTION pgtandem_shop.restore_chunk(regclass, bigint, bigint, boolean DEFAULT true)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF $4 THEN
        RAISE EXCEPTION 'no' USING ERRCODE = '23514';
    END IF;
    INSERT INTO shop.seen VALUES (-$2);
    RETURN 0;
END;
$$;
CREATE FUNCTION pgtandem_shop.archive_keys(p_keys jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO shop.seen SELECT (k ->> 0)::integer FROM jsonb_array_elements(p_keys) AS k;
$$;

SELECT ok(NOT pgtandem.walk_is_begun('shop', 'archive'), 'it has not begun');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem._walk_start('shop', 'archive') $$),
    ARRAY['TD040', 'the archive of mapping "shop" has not begun', '',
          'The deploy or revert of its contract begins it.'],
    'TD040: it has not begun'
);
SELECT pgtandem.begin_walk('shop', 'archive');
SELECT pgtandem.begin_walk('shop', 'archive');
SELECT ok(pgtandem.walk_is_begun('shop', 'archive'), 'it has begun');
SELECT results_eq(
    $$ SELECT relation::text, next_block, last_block > 5, ended_at FROM pgtandem.walk $$,
    $$ VALUES ('shop.old', 0::bigint, true, NULL::timestamptz) $$,
    'with all blocks to do'
);
SELECT matches(
    array_to_string(pg_temp.error_of($$ SELECT pgtandem.require_walked('shop', 'archive') $$), '|'),
    '^TD040\|the archive of mapping "shop" is not complete\|To do: shop.old, (\d+) of \1 blocks\.\|'
    'CALL pgtandem.walk\(''shop'', ''archive''\); then run the script again\.$',
    'TD040: it is not complete'
);
SELECT results_eq(
    $$ SELECT blocks > 2, wait, more FROM pgtandem._walk_step('shop', 'archive', 2) $$,
    $$ VALUES (true, 0::double precision, true) $$,
    'a step'
);
SELECT results_eq(
    $$ SELECT w.next_block, w.rows = (SELECT count(*) FROM shop.seen) FROM pgtandem.walk AS w $$,
    $$ VALUES (2::bigint, true) $$,
    'is two blocks'
);
SELECT pgtandem._walk_step('shop', 'archive', 100);
SELECT results_eq(
    $$ SELECT count(*), count(DISTINCT id) FROM shop.seen $$, $$ VALUES (50::bigint, 50::bigint) $$,
    'each row once'
);
SELECT results_eq(
    $$ SELECT more FROM pgtandem._walk_step('shop', 'archive', 100) $$, $$ VALUES (false) $$,
    'there is no more'
);
SELECT lives_ok($$ SELECT pgtandem.require_walked('shop', 'archive') $$, 'it is complete');
UPDATE pgtandem.walk SET filenode = 1;
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.require_walked('shop', 'archive') $$))[1], 'TD040',
    'TD040: the table has got another file'
);
SELECT pgtandem._walk_step('shop', 'archive', 100);
SELECT results_eq(
    $$ SELECT next_block, filenode = pg_relation_filenode('shop.old') FROM pgtandem.walk $$,
    $$ VALUES (0::bigint, true) $$,
    'and is walked again'
);
UPDATE pgtandem.mapping SET hash = repeat('b', 64) WHERE name = 'shop';
SELECT ok(NOT pgtandem.walk_is_begun('shop', 'archive'), 'one of another mapping does not count');

SELECT pgtandem.begin_walk('shop', 'restore');
SELECT is(
    (SELECT pgtandem._walk_chunk(w, 4) FROM pgtandem.walk AS w WHERE purpose = 'restore'), NULL,
    'what cannot be restored is tried in smaller pieces'
);
SELECT is(
    (SELECT pgtandem._walk_chunk(w, 1) FROM pgtandem.walk AS w WHERE purpose = 'restore'),
    0::bigint, 'and the keys of a single block are noted'
);

DELETE FROM shop.seen;
SELECT pgtandem.queue('shop', jsonb_build_array(k), 'contract', 'archive')
FROM (VALUES (1), (2), (2), (3)) AS v (k);
SELECT is(pgtandem.archive_noted('shop', 3), 3::bigint, 'noted keys are archived again');
SELECT results_eq(
    $$ SELECT array_agg(id ORDER BY id), pgtandem.archive_noted('shop'),
              pgtandem.archive_noted('shop') FROM shop.seen $$,
    $$ VALUES (ARRAY[1, 2], 1::bigint, 0::bigint) $$,
    'each of them once'
);

SELECT * FROM finish();

ROLLBACK;
