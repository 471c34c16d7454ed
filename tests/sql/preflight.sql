-- Tests pgtandem:preflight, on gear. Changes nothing; needs pgTAP in the search path. The states
-- that take other sessions or roles: tests/test_preflight.py.
\ir ../error_of.sql

BEGIN;
\ir ../gear_rows.sql

SELECT plan(21);

SELECT pg_temp.old_items(1, 10);

CREATE FUNCTION pg_temp.check(p_name text) RETURNS text
LANGUAGE sql
AS $$ SELECT p.state FROM pgtandem.preflight('gear') AS p WHERE p.name = p_name $$;

-- _next_phase
CREATE FUNCTION pg_temp.next(p_phase text, p_copy text) RETURNS text
LANGUAGE sql
AS $$
    SELECT pgtandem._next_phase(jsonb_populate_record(
        pgtandem.mapping_of('gear'), jsonb_build_object('phase', p_phase, 'copy_state', p_copy)));
$$;
SELECT is(
    ARRAY[pg_temp.next('expand', 'none'), pg_temp.next('sync', 'open'),
          pg_temp.next('sync', 'complete'), pg_temp.next('backfill', 'open'),
          pg_temp.next('backfill', 'complete'), pg_temp.next('contract', 'complete')],
    ARRAY['sync', 'backfill', 'backfill', 'backfill', 'contract', 'none'], 'what comes next'
);

-- _raised
SELECT is(pgtandem._raised('SELECT 1'), NULL, 'it is satisfied');
SELECT is(pgtandem._raised($$ SELECT pgtandem.mapping_of('x') $$),
          ARRAY['no mapping named "x" is deployed in this database: Deployed: gear.',
                'Mend the name, or: sqitch deploy --to NAME_expand'], 'what it says');
SELECT is((pg_temp.error_of($$ SELECT pgtandem._raised('SELECT 1 / 0') $$))[1], '22012',
          'an error of another kind is an error');

-- preflight
SELECT is(figure, 'sync, copy open; next: backfill', 'the phase') FROM pgtandem.preflight('gear')
WHERE name = 'phase';
SELECT is((SELECT count(*) FROM pgtandem.preflight('gear') WHERE state = 'pass' AND todo <> ''),
          0::bigint, 'what passes needs nothing');
SELECT is((SELECT count(*) FROM pgtandem.preflight('gear') WHERE state <> 'pass' AND todo IS NULL),
          0::bigint, 'what does not says what to do');
SELECT is(
    ARRAY(SELECT name FROM pgtandem.preflight('gear', now(), 1073741824) WHERE state = 'fail'),
    '{}', 'nothing fails on a good day'
);
SELECT is(pg_temp.check('values'), 'pass', 'the rows fit');
SELECT is(pg_temp.check('unique_key'), 'pass', 'there is a unique index');
SELECT is(pg_temp.check('triggers'), 'pass', 'our own do not count');

CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER "a trigger" BEFORE INSERT ON gear_ops.gear_items
FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SELECT is(figure, '"a trigger" of gear_ops.gear_items', 'a trigger of the application')
FROM pgtandem.preflight('gear') WHERE name = 'triggers' AND state = 'warn';
ALTER TABLE gear_ops.gear_items DISABLE TRIGGER "a trigger";
SELECT is(pg_temp.check('triggers'), 'pass', 'which is switched off');
ALTER TABLE user_core.old_equipment SET (autovacuum_enabled = false);
SELECT is(todo, 'ALTER TABLE user_core.old_equipment RESET (autovacuum_enabled);',
          'autovacuum of a table is off')
FROM pgtandem.preflight('gear') WHERE name = 'autovacuum_of_tables' AND state = 'warn';
ALTER TABLE gear_ops.gear_items FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY;
SELECT is(pg_temp.check('row_security'),
          CASE WHEN row_security_active('gear_ops.gear_items') THEN 'fail' ELSE 'pass' END,
          'row level security, unless this role bypasses it');
ALTER TABLE gear_ops.gear_items NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
ALTER TABLE gear_ops.gear_items ADD CONSTRAINT late UNIQUE (name) DEFERRABLE;
SELECT is(pg_temp.check('deferrable'), 'fail', 'a deferrable constraint');
SELECT is(pg_temp.check('values'), 'pass', 'which is not tried');
ALTER TABLE gear_ops.gear_items DROP CONSTRAINT late;

UPDATE pgtandem.mapping SET phase = 'backfill', copy_state = 'complete' WHERE name = 'gear';
SELECT matches(figure, 'it is not proven: Not met: ', 'contract has conditions of its own')
FROM pgtandem.preflight('gear') WHERE name = 'contract' AND state = 'fail';
SELECT is(pg_temp.check('values'), NULL, 'what is copied is not tried');

-- errors
SELECT is((pg_temp.error_of($$ SELECT * FROM pgtandem.preflight('x') $$))[1], 'TD001', 'TD001');
SELECT is(pg_temp.error_of($$ SELECT * FROM pgtandem.preflight('gear', NULL, -1) $$),
          ARRAY['TD070', 'free disk and the longest transaction cannot be negative, or no time',
                'Free disk -1, longest transaction 00:05:00.',
                'Give bytes, and an interval over zero.'], 'TD070');

SELECT * FROM finish();
ROLLBACK;
