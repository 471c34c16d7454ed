-- Tests pgtandem:event. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(10);

SELECT columns_are('pgtandem', 'event', ARRAY[
    'id', 'happened_at', 'mapping', 'kind', 'detail', 'role', 'application', 'reason'
]);
SELECT col_is_pk('pgtandem', 'event', 'id', 'id is the key');
SELECT has_index('pgtandem', 'event', 'event_mapping_idx', ARRAY['mapping', 'kind', 'id']);
SELECT function_returns('pgtandem', 'log_event', ARRAY['text', 'text', 'jsonb', 'text'], 'bigint');

SET LOCAL application_name = 'the test';
CREATE TEMPORARY TABLE logged AS
SELECT pgtandem.log_event('nobody', 'override', '{"condition": "x"}', 'because') AS id;

SELECT results_eq(
    $$ SELECT mapping, kind, detail, role, application, reason FROM pgtandem.event
       WHERE id = (SELECT id FROM logged) $$,
    $$ VALUES ('nobody', 'override', '{"condition": "x"}'::jsonb,
               session_user::text COLLATE "default", 'the test', 'because') $$,
    'an event says who did what and why'
);
SELECT cmp_ok(
    (SELECT happened_at FROM pgtandem.event WHERE id = (SELECT id FROM logged)), '>=', now(),
    'and when, by the wall clock'
);
SELECT cmp_ok(
    pgtandem.log_event('nobody', 'later'), '>', (SELECT id FROM logged), 'later events come later'
);
SELECT results_eq(
    $$ SELECT detail, reason FROM pgtandem.event WHERE kind = 'later' $$,
    $$ VALUES ('{}'::jsonb, NULL::text) $$,
    'detail and reason may be left out'
);
SELECT throws_ok(
    $$ SELECT pgtandem.log_event(NULL, 'x') $$, '23502', NULL, 'an event is of a mapping'
);
SELECT throws_ok(
    $$ SELECT pgtandem.log_event('nobody', NULL) $$, '23502', NULL, 'and of a kind'
);

SELECT * FROM finish();

ROLLBACK;
