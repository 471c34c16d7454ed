-- Tests pgtandem:undo_run, on gear, with a stub for what is rendered. Changes nothing; needs pgTAP
-- in the search path. The procedure commits: tests/test_undo.py.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(13);

-- _undo_check, by way of undo_rows
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.undo_rows('gear') $$),
    ARRAY['TD062', 'nothing is recorded of mapping "gear" that could be undone',
          'It has backfill.undo: false.',
          'Set backfill.undo: true before the next deploy of its sync.'],
    'a mapping that stores nothing'
);
CREATE TABLE pgtandem_gear.pre_image (
    id bigint, key jsonb, layout integer, before text, after bytea, sqlstate text, message text
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.undo_rows('gear') $$),
    ARRAY['TD062', 'nothing is recorded of mapping "gear" that could be undone',
          'No backfill or repair has written anything, or it was undone, or dropped.',
          'See pgtandem.event.'],
    'nothing is stored'
);
INSERT INTO pgtandem.layout (mapping, relation, columns)
VALUES ('gear', 0, '[["gone", "text", ""]]'),
       ('gear', 0, pgtandem._columns_of('gear_ops.gear_items'));
INSERT INTO pgtandem_gear.pre_image (id, key, layout)
SELECT n, jsonb_build_array(n / 2), (SELECT min(id) FROM pgtandem.layout)
FROM generate_series(2, 9) AS n;
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.undo_rows('gear') $$),
    ARRAY['TD063', 'columns of gear_ops.gear_items are gone or have another type since',
          'The pre-images of mapping "gear" have: gone text. Nothing was undone.',
          'Give the table these columns back; or let all stay as it is: '
          'pgtandem undo gear --drop'],
    'a column that has gone'
);
UPDATE pgtandem_gear.pre_image SET layout = layout + 1;
UPDATE pgtandem.mapping SET phase = 'contract' WHERE name = 'gear';
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.undo_rows('gear') $$),
    ARRAY['TD061', 'mapping "gear" is in phase contract: its backfill cannot be undone',
          'Only the phases sync and backfill can.', 'Revert gear_contract first.'],
    'after contract'
);
UPDATE pgtandem.mapping SET phase = 'expand' WHERE name = 'gear';
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.undo_rows('gear') $$))[4],
    'Deploy gear_sync first; what was written before its last revert stays.', 'before sync'
);
UPDATE pgtandem.mapping SET phase = 'sync' WHERE name = 'gear';

-- undo_rows, undo_preview, _undo_to_go, _undo_keys
CREATE FUNCTION pgtandem_gear.undo_key(
    p_key jsonb, p_write boolean, p_force boolean, p_columns jsonb, p_references text,
    p_others text[] DEFAULT NULL, p_from bigint DEFAULT 1,
    OUT action text, OUT reason text
)
LANGUAGE plpgsql
AS $$
BEGIN
    action := CASE WHEN p_key ->> 0 = '3' AND NOT p_force THEN 'leave' ELSE 'delete' END;
    reason := CASE action WHEN 'leave' THEN 'changed' END;
    IF p_write AND p_key ->> 0 = '4' THEN
        RAISE EXCEPTION 'not this one' USING ERRCODE = '55P03';
    ELSIF p_write AND action = 'delete' THEN
        DELETE FROM pgtandem_gear.pre_image WHERE key = p_key;
    END IF;
END;
$$;
SELECT results_eq(
    $$ SELECT key, action, reason FROM pgtandem.undo_rows('gear') $$,
    $$ VALUES ('[4]'::jsonb, 'delete', NULL), ('[3]', 'leave', 'changed'), ('[2]', 'delete', NULL),
              ('[1]', 'delete', NULL) $$,
    'each key once, the last written first'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem.undo_preview('gear') $$,
    $$ VALUES ('delete', NULL, 3::bigint), ('leave', 'changed', 1) $$, 'counted'
);
SELECT results_eq(
    $$ SELECT * FROM pgtandem.undo_preview('gear', true) $$,
    $$ VALUES ('delete', NULL::text, 4::bigint) $$, 'by force'
);
SELECT is(pgtandem._undo_to_go('gear'), 8::bigint, 'pre-images, not keys');
SELECT results_eq(
    $$ SELECT * FROM pgtandem._undo_keys('gear', (10, 1, 9, false, 0, 0, 0, 0, 0, 0, 0, false)) $$,
    $$ VALUES (7::bigint, '[3]'::jsonb), (5, '[2]'), (3, '[1]') $$,
    'below an id; a key whose last pre-image is above is left to another pass'
);

-- _undo_batch
CREATE TEMP TABLE step AS
SELECT * FROM pgtandem._undo_batch('gear', false, (10, 1, 10, false, 0, 0, 0, 0, 0, 0, 0, false),
                                    false);
SELECT results_eq(
    $$ SELECT below, undone, failed, busy, done FROM step $$,
    $$ VALUES (3::bigint, 2::bigint, 1::bigint, 1::bigint, false) $$,
    'two are undone, one stays, one is locked'
);
SELECT results_eq(
    $$ SELECT id, sqlstate, message FROM pgtandem_gear.pre_image ORDER BY id $$,
    $$ VALUES (6::bigint, NULL, NULL), (7, NULL, NULL), (8, NULL, NULL),
              (9, '55P03', 'not this one') $$,
    'why one is left is stored'
);

-- _undo_end
SELECT pgtandem._undo_end('gear', false, 2);
SELECT is(
    (SELECT detail FROM pgtandem.event WHERE mapping = 'gear' ORDER BY id DESC LIMIT 1),
    '{"left": 2, "undone": 2, "force_changed": false}', 'an event'
);

SELECT finish();

ROLLBACK;
