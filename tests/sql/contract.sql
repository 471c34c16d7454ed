-- Tests pgtandem:contract. Changes nothing; needs pgTAP in the search path. Contract itself is
-- tested on gear: examples/gear/tests/gear_contract.sql.
\ir ../error_of.sql

BEGIN;

SELECT plan(43);

CREATE SCHEMA shop;
CREATE TABLE shop.old (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text DEFAULT 'x' || 'y',
    seen timestamptz
);
CREATE TABLE shop.new (id integer PRIMARY KEY, name text);
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.old', 'shop.new', ARRAY['id'],
                                 '{"contract": {"max_age": "1h", "old_roles": []}}', '0.1.0');
CREATE FUNCTION pg_temp.unmet() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(name, ' '), '') FROM pgtandem.contract_conditions('shop')
    WHERE NOT met;
$$;
CREATE FUNCTION pg_temp.figure(p_name text) RETURNS text LANGUAGE sql AS $$
    SELECT figure FROM pgtandem.contract_conditions('shop') WHERE name = p_name;
$$;
CREATE FUNCTION pg_temp.compared(p_hash text, p_scope text, p_age interval, p_changed integer)
RETURNS void LANGUAGE sql AS $$
    SELECT pgtandem.save_comparison('shop', repeat(p_hash, 64), p_scope, clock_timestamp() - p_age,
                                    '', 10, 10, 0, 0, p_changed);
$$;

-- contract_conditions
SELECT results_eq(
    $$ SELECT name, met, figure FROM pgtandem.contract_conditions('shop') $$,
    $$ VALUES ('copy_complete', false, 'copy none, phase expand'),
              ('comparison_clean', false, 'no full comparison with this mapping'),
              ('comparison_recent', false, 'none'),
              ('queue_empty', true, '0 entries, 0 of them failures'),
              ('no_old_sessions', true, 'none'),
              ('old_side_unread', false, 'none'),
              ('no_dependents', true, 'none'),
              ('cascades', true, 'none') $$,
    'a mapping that is new'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem.contract_conditions('shop') WHERE hint IS NULL $$,
    'each condition says what to do'
);
UPDATE pgtandem.mapping
SET phase = 'backfill', copy_state = 'complete', copy_changed = clock_timestamp() - interval '1 day'
WHERE name = 'shop';
SELECT is(
    pg_temp.unmet(), 'comparison_clean comparison_recent old_side_unread', 'the copy is complete'
);
SELECT pg_temp.compared('a', 'sample', '1 min', 0);
SELECT is(
    pg_temp.unmet(), 'comparison_clean comparison_recent old_side_unread', 'a sample proves nothing'
);
SELECT pg_temp.compared('b', 'full', '1 min', 0);
SELECT is(
    pg_temp.unmet(), 'comparison_clean comparison_recent old_side_unread',
    'nor does a comparison with another mapping'
);
SELECT pg_temp.compared('a', 'full', '25 hours', 0);
SELECT is(
    pg_temp.unmet(), 'comparison_clean comparison_recent',
    'nor one from before the copy was complete'
);
SELECT is(
    pg_temp.figure('comparison_clean'), 'the last full comparison is older than the copy',
    'which is told'
);
SELECT pg_temp.compared('a', 'full', '2 hours', 0);
SELECT is(pg_temp.unmet(), 'comparison_recent', 'a clean one that is old');
SELECT is(pg_temp.figure('comparison_recent'), '02:00:00 old, limit 01:00:00', 'which is told');
SELECT pg_temp.compared('a', 'full', '1 min', 1);
SELECT is(pg_temp.unmet(), 'comparison_clean', 'one that found a difference');
SELECT pg_temp.compared('a', 'full', '1 min', 0);
SELECT is(pg_temp.unmet(), '', 'a clean one');
SELECT pgtandem.record_failure('shop', '[1]', 'sync', '23505', 'twice');
SELECT is(
    pg_temp.unmet() || ': ' || pg_temp.figure('queue_empty'),
    'queue_empty: 1 entries, 1 of them failures', 'a failure that is not repaired'
);
DELETE FROM pgtandem.recheck WHERE mapping = 'shop';
UPDATE pgtandem.mapping
SET settings = jsonb_build_object('contract', jsonb_build_object('old_roles', ARRAY[current_user]))
WHERE name = 'shop';
SELECT is(pg_temp.unmet(), 'no_old_sessions', 'a reader of the old side');
SELECT matches(
    pg_temp.figure('no_old_sessions'), format('%s \(pid %s, ', current_user, pg_backend_pid()),
    'which is named'
);
UPDATE pgtandem.mapping SET settings = '{"contract": {"max_old_reads": "7"}}' WHERE name = 'shop';
UPDATE pgtandem.comparison SET source_reads = -7 WHERE mapping = 'shop';
SELECT is(pg_temp.unmet(), '', 'a few scans of the old side');
UPDATE pgtandem.comparison SET source_reads = -8 WHERE mapping = 'shop';
SELECT is(pg_temp.unmet(), 'old_side_unread', 'more of them');
SELECT matches(
    pg_temp.figure('old_side_unread'), '^8 scans since comparison [0-9]+, limit 7$', 'which is told'
);
UPDATE pgtandem.mapping SET settings = '{}' WHERE name = 'shop';
SELECT throws_ok(
    $$ SELECT * FROM pgtandem.contract_conditions('none') $$, 'TD001', NULL,
    'TD001: the mapping is unknown'
);

-- _dependents
CREATE VIEW shop.report AS SELECT id FROM shop.old;
CREATE TABLE shop.part (old_id integer CONSTRAINT part_of REFERENCES shop.old);
CREATE POLICY mine ON shop.old USING (true);
SELECT set_eq(
    $$ SELECT pgtandem._dependents('shop.old') $$,
    $$ VALUES ('view shop.report'), ('foreign key part_of of shop.part'),
              ('row security policy mine') $$,
    'what would follow the table into the archive'
);
SELECT is(pg_temp.unmet(), 'no_dependents', 'which has to be moved first');
CREATE SCHEMA pgtandem_shop;
CREATE VIEW pgtandem_shop.image AS SELECT id, name FROM shop.old;
SELECT is(
    (SELECT count(*) FROM pgtandem._dependents('shop.old')), 3::bigint, 'our own views do not count'
);

-- _cascades
CREATE TABLE shop.owner (id integer PRIMARY KEY);
ALTER TABLE shop.old ADD CONSTRAINT owned FOREIGN KEY (id) REFERENCES shop.owner;
SELECT is_empty(
    $$ SELECT pgtandem._cascades('shop.old', 'shop.new') $$, 'a foreign key that only refuses'
);
ALTER TABLE shop.old
    DROP CONSTRAINT owned,
    ADD CONSTRAINT owned FOREIGN KEY (id) REFERENCES shop.owner ON DELETE CASCADE,
    ADD CONSTRAINT within FOREIGN KEY (id) REFERENCES shop.old ON UPDATE CASCADE;
SELECT set_eq(
    $$ SELECT pgtandem._cascades('shop.old', 'shop.new') $$,
    $$ VALUES ('owned of shop.old, FOREIGN KEY (id) REFERENCES shop.owner(id) ON DELETE CASCADE'),
              ('within of shop.old, FOREIGN KEY (id) REFERENCES shop.old(id) ON UPDATE CASCADE') $$,
    'those that write the table'
);
SELECT matches(pg_temp.unmet(), '^no_dependents cascades$', 'keep contract closed');
ALTER TABLE shop.new
    ADD FOREIGN KEY (id) REFERENCES shop.owner ON DELETE SET NULL,
    ADD FOREIGN KEY (id) REFERENCES shop.new ON UPDATE CASCADE ON DELETE CASCADE;
SELECT is(
    (SELECT count(*) FROM pgtandem._cascades('shop.old', 'shop.new')), 1::bigint,
    'until the target has those that do the same'
);
ALTER TABLE shop.new ADD FOREIGN KEY (id) REFERENCES shop.owner ON DELETE CASCADE;
SELECT is_empty($$ SELECT pgtandem._cascades('shop.old', 'shop.new') $$, 'all of them');
DROP TABLE shop.owner CASCADE;
ALTER TABLE shop.old DROP CONSTRAINT within;
ALTER TABLE shop.new DROP CONSTRAINT new_id_fkey1;

-- override
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.override('shop', 'no_worries', 'because') $$),
    ARRAY['TD021', 'there is no condition "no_worries"', '',
          'One of: copy_complete, comparison_clean, comparison_recent, queue_empty, '
          'no_old_sessions, old_side_unread, no_dependents, cascades.'],
    'TD021: no such condition'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.override('shop', 'no_dependents', ' ') $$),
    ARRAY['TD021', 'an override needs a reason', '', 'Say who decided it and why; it is logged.'],
    'TD021: no reason'
);
SELECT throws_ok(
    $$ SELECT pgtandem.override('none', 'no_dependents', 'x') $$, 'TD001', NULL,
    'TD001: the mapping is unknown'
);

-- require_proven, require_contract
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.require_proven('shop') $$))[1], 'TD020',
    'TD020: before the locks'
);
SELECT matches(
    array_to_string(pg_temp.error_of($$ SELECT pgtandem.require_contract('shop') $$), '|'),
    '^TD020\|contract of mapping "shop" is refused: it is not proven\|Not met: no_dependents '
    '\(.*part_of.*\)\.\|They would follow',
    'TD020: it is not proven'
);
SELECT lives_ok(
    $$ SELECT pgtandem.override('shop', 'no_dependents', 'Ana decided it') $$, 'an override'
);
SELECT results_eq(
    $$ SELECT detail ->> 'condition', reason FROM pgtandem.event
       WHERE mapping = 'shop' AND kind = 'override' $$,
    $$ VALUES ('no_dependents', 'Ana decided it') $$,
    'is logged'
);
SELECT lives_ok($$ SELECT pgtandem.require_proven('shop') $$, 'and opens the way to the locks');
SELECT lives_ok($$ SELECT pgtandem.require_contract('shop') $$, 'and lets contract pass');
SELECT is(
    (SELECT detail ->> 'queue_empty' FROM pgtandem.event
     WHERE mapping = 'shop' AND kind = 'contract'),
    '0 entries, 0 of them failures', 'which is logged with all figures'
);
UPDATE pgtandem.event SET happened_at = clock_timestamp() - interval '61 minutes'
WHERE kind = 'override';
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.require_contract('shop') $$))[1], 'TD020',
    'TD020: an hour later, no more'
);

-- require_columns
SELECT is(
    pgtandem.require_columns('shop.old', ARRAY['seen', 'id', 'name', 'more'])::text, '',
    'the mapping knows all columns'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_columns('shop.old', '{id}') $$),
    ARRAY['TD022', 'the mapping does not know all columns of shop.old',
          'Not listed: name, seen. The view in its place would lack them.',
          'List them under source.columns of the mapping, and render again.'],
    'TD022: or not'
);

-- carry_back
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem._carry_back_reset('shop') $$),
    ARRAY['TD006', 'mapping "shop" is not contracted', '', 'There is nothing to carry back.'],
    'TD006: there was no contract'
);
UPDATE pgtandem.mapping SET phase = 'contract' WHERE name = 'shop';
CREATE TABLE shop.carried (key jsonb);
CREATE FUNCTION pgtandem_shop.settle_source(p_key jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_key = '[3]' AND NOT EXISTS (SELECT FROM shop.new) THEN
        RAISE EXCEPTION 'too long' USING ERRCODE = '22001';
    END IF;
    INSERT INTO shop.carried VALUES (p_key);
END;
$$;
SELECT pgtandem.queue('shop', jsonb_build_array(k), 'contract', 'source')
FROM (VALUES (1), (2), (2), (3)) AS v (k);
SELECT results_eq(
    $$ SELECT * FROM pgtandem._carry_back_batch('shop', 500) $$, $$ VALUES (false) $$,
    'keys are carried back, and there are no more'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.carry_back_rest('shop') $$),
    ARRAY['TD023', '1 rows written since contract cannot be carried back',
          'For example [3]: too long (22001).',
          'Nothing was reverted. Change these rows so that the old table can hold them, then '
          'revert again.'],
    'TD023: one cannot be'
);
INSERT INTO shop.new VALUES (3, 'short');
SELECT pgtandem._carry_back_reset('shop');
SELECT pgtandem.carry_back_rest('shop');
SELECT results_eq(
    $$ SELECT array_agg(key ORDER BY key), (SELECT count(*) FROM pgtandem.recheck
                                            WHERE mapping = 'shop') FROM shop.carried $$,
    $$ VALUES (ARRAY['[1]', '[2]', '[3]']::jsonb[], 0::bigint) $$,
    'then all of them are'
);

SELECT * FROM finish();

ROLLBACK;
