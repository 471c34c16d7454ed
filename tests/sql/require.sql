-- Tests pgtandem:require. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(51);

CREATE SCHEMA shop;
CREATE TABLE shop.old (id integer PRIMARY KEY, name text, seen timestamptz);
CREATE TABLE shop.new (id integer, part integer, name text);
CREATE VIEW shop.image AS SELECT o.id, upper(o.name) AS name FROM shop.old AS o;
CREATE FUNCTION shop.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER noted AFTER INSERT ON shop.old FOR EACH ROW EXECUTE FUNCTION shop.nothing();
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.old', 'shop.new', ARRAY['id'], '{}',
                                 '0.1.0');

-- require_hash
SELECT is(pgtandem.require_hash('shop', repeat('a', 64))::text, '',
          'the hash is that of the mapping');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_hash('shop', repeat('b', 64)) $$),
    ARRAY['TD015', 'this script and the deployed mapping "shop" are not of one rendering',
          'Deployed: aaaaaaaaaaaaaaaa. This script: bbbbbbbbbbbbbbbb.',
          'Render all phases and deploy them in order; "pgtandem render --check" compares.'],
    'TD015: it is of another one'
);
SELECT throws_ok(
    $$ SELECT pgtandem.require_hash('none', 'x') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

-- require_unique
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_unique('shop.new', ARRAY['id', 'part']) $$),
    ARRAY['TD016', 'the target shop.new has no unique index on (id, part)',
          'It must be valid, not partial, not deferrable, and on just these columns.',
          'CREATE UNIQUE INDEX CONCURRENTLY ON shop.new (id, part);'],
    'TD016: no index'
);
CREATE FUNCTION pg_temp.with_index(p_definition text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE p_definition;
    RETURN (pg_temp.error_of($i$ SELECT pgtandem.require_unique('shop.new', '{id,part}') $i$))[1];
END;
$$;
SELECT is(pg_temp.with_index(i.definition), 'TD016', 'TD016: ' || i.what)
FROM (VALUES
    ('CREATE INDEX ON shop.new (id, part)', 'an index that is not unique'),
    ('CREATE UNIQUE INDEX ON shop.new (id, part, name)', 'one on more columns'),
    ('CREATE UNIQUE INDEX ON shop.new (id)', 'one on fewer columns'),
    ('CREATE UNIQUE INDEX ON shop.new (id, part) WHERE name IS NULL', 'a partial one'),
    ('CREATE UNIQUE INDEX ON shop.new (id, part, upper(name))', 'one with an expression'),
    ('CREATE UNIQUE INDEX ON shop.new (id) INCLUDE (part)', 'one that only includes a column'),
    ('ALTER TABLE shop.new ADD UNIQUE (id, part) DEFERRABLE', 'one that is checked late')
) AS i (definition, what);
CREATE UNIQUE INDEX ON shop.new (part, id) INCLUDE (name);
SELECT is(
    pgtandem.require_unique('shop.new', ARRAY['id', 'part'])::text, '',
    'the order of its columns and what it includes do not matter'
);

-- require_reads
SELECT is(
    pgtandem.require_reads('shop.image', 'shop.old', ARRAY['name', 'id'])::text, '',
    'the view reads what is watched'
);
SELECT is(
    pgtandem.require_reads('shop.image', 'shop.old', ARRAY['name', 'id', 'seen'])::text, '',
    'or less'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_reads('shop.image', 'shop.old', '{id}') $$),
    ARRAY['TD017', 'the mapping reads columns of shop.old that its triggers do not watch',
          'Not watched: name.', 'List them under source.columns of the mapping, and render again.'],
    'TD017: it reads more'
);

-- require_generated
CREATE TABLE shop.sums (a integer, b integer, sum integer GENERATED ALWAYS AS (a + b) STORED);
SELECT is(pgtandem.require_generated('shop.old', '{}')::text, '', 'nothing is generated');
SELECT is(pgtandem.require_generated('shop.sums', '{sum}')::text, '', 'or what the mapping says');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_generated('shop.sums', '{a}') $$),
    ARRAY['TD035', 'contract.generated of the mapping and shop.sums do not agree',
          'Listed: a. Generated and stored: sum.',
          'The view computes them: contract: {generated: {"sum": "(a + b)"}}'],
    'TD035: or something else'
);

-- require_immediate
SELECT is(pgtandem.require_immediate('shop.old')::text, '', 'no constraint of the table is late');
CREATE TABLE shop.late (
    id integer UNIQUE, part integer CHECK (part > 0), old_id integer REFERENCES shop.old
);
CREATE TABLE shop.of_late (late_id integer);
CREATE TABLE shop.parts (id integer) PARTITION BY LIST (id);
CREATE TABLE shop.part_1 PARTITION OF shop.parts FOR VALUES IN (1);
SELECT is(
    pgtandem.require_immediate('shop.late')::text, '', 'nor one that can be checked at once only'
);
CREATE FUNCTION pg_temp.with_late(p_table regclass, p_definition text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_found text[];
BEGIN
    EXECUTE p_definition;
    v_found := pg_temp.error_of(format($i$ SELECT pgtandem.require_immediate(%L) $i$, p_table));
    RETURN concat_ws(': ', v_found[1], v_found[3]);
END;
$$;
SELECT is(
    pg_temp.with_late(i.of::regclass, i.definition),
    format('TD028: The old application''s commit would fail: %s.', i.found), 'TD028: ' || i.what
)
FROM (VALUES
    ('shop.late', 'ALTER TABLE shop.of_late ADD CONSTRAINT pointed FOREIGN KEY (late_id) '
                  'REFERENCES shop.late (id) DEFERRABLE INITIALLY DEFERRED',
     'pointed of shop.of_late (foreign key)', 'a foreign key of others'),
    ('shop.late', 'ALTER TABLE shop.of_late DROP CONSTRAINT pointed; '
                  'ALTER TABLE shop.late ALTER CONSTRAINT late_old_id_fkey DEFERRABLE',
     'late_old_id_fkey of shop.late (foreign key)',
     'one of its own, which SET CONSTRAINTS ALL DEFERRED makes late'),
    ('shop.late', 'ALTER TABLE shop.late '
                  'ADD CONSTRAINT apart EXCLUDE USING btree (part WITH =) DEFERRABLE, '
                  'ADD CONSTRAINT one UNIQUE (part) DEFERRABLE, DROP CONSTRAINT late_old_id_fkey',
     'apart of shop.late (exclusion), one of shop.late (unique)', 'all of them are named'),
    ('shop.parts', 'CREATE CONSTRAINT TRIGGER noted AFTER INSERT ON shop.part_1 DEFERRABLE '
                   'FOR EACH ROW EXECUTE FUNCTION shop.nothing()',
     'noted of shop.part_1 (constraint trigger)', 'a trigger of a partition')
) AS i (of, definition, found, what);
SELECT matches(
    (pg_temp.error_of($$ SELECT pgtandem.require_immediate('shop.late') $$))[4],
    '^Until contract, make them NOT DEFERRABLE', 'and the hint says what to do'
);

-- require_trigger
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_trigger('shop.old', 'gone') $$),
    ARRAY['TD018', 'the trigger gone of shop.old is missing or is not ENABLE ALWAYS', '',
          'Revert and deploy the sync change again; writes since may need a repair.'],
    'TD018: there is no such trigger'
);
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.require_trigger('shop.old', 'noted') $$))[1], 'TD018',
    'TD018: it does not fire for logical replication'
);
ALTER TABLE shop.old ENABLE ALWAYS TRIGGER noted;
SELECT is(pgtandem.require_trigger('shop.old', 'noted')::text, '', 'it fires always');
ALTER TABLE shop.old DISABLE TRIGGER noted;
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.require_trigger('shop.old', 'noted') $$))[1], 'TD018',
    'TD018: it is disabled'
);

-- require_own_triggers
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_own_triggers(
                            'shop.old', 'pgtandem', ARRAY['noted', 'other']) $$),
    ARRAY['TD030', 'the table shop.old has triggers of these names that are not of this mapping',
          'They would be replaced: noted.',
          'Set another sync.trigger in the mapping, or drop them.'],
    'TD030: a trigger of somebody else has the name'
);
SELECT is(pgtandem.require_own_triggers('shop.old', 'shop', ARRAY['noted', 'other'])::text, '',
          'it runs a function of this mapping');
SELECT is(pgtandem.require_own_triggers('shop.old', 'pgtandem', ARRAY['other'])::text, '',
          'the name is free');

-- require_last
CREATE FUNCTION shop.change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE shop.row (
    id integer PRIMARY KEY, a integer DEFAULT 7, b uuid DEFAULT gen_random_uuid(), c text
);
CREATE TRIGGER change BEFORE UPDATE ON shop.row FOR EACH ROW EXECUTE FUNCTION shop.change();
CREATE TRIGGER zz_after AFTER UPDATE ON shop.row FOR EACH ROW EXECUTE FUNCTION shop.change();
SELECT is(pgtandem.require_last('shop.row', '~ours')::text, '', 'no other one fires later');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_last('shop.row', 'a') $$),
    ARRAY['TD038', 'triggers of shop."row" may change a row after a has looked at it',
          'They fire later, as PostgreSQL goes by the names: change.',
          'Set sync.trigger in the mapping to a name that comes after theirs, as in ~pgtandem; '
          'render and deploy again.'],
    'TD038: one that may change the row fires later'
);
ALTER TABLE shop.row DISABLE TRIGGER change;
SELECT is(pgtandem.require_last('shop.row', 'a')::text, '', 'it is disabled');

-- require_index
SELECT is(pgtandem.require_index('shop.row', ARRAY['id'])::text, '', 'an index begins with it');
CREATE INDEX ON shop.row (c) WHERE a > 0;
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_index('shop.row', ARRAY['c', 'a']) $$),
    ARRAY['TD036', 'no index of shop."row" begins with (c, a)',
          'By these columns the mapping finds the rows of a key: it would read the whole table for '
          'each one.',
          'CREATE INDEX CONCURRENTLY ON shop."row" (c, a);'],
    'TD036: a partial one does not count'
);

-- require_deletable
CREATE TABLE shop.child (
    id integer PRIMARY KEY,
    parent integer CONSTRAINT stays REFERENCES shop.row
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_deletable('shop.row', 'shop.child') $$),
    ARRAY['TD037', 'foreign keys of shop.child would keep the old application from deleting rows '
                   'of shop."row"',
          'In mode queued its rows go a moment later than those they refer to: stays.',
          'Make them anew with ON DELETE CASCADE, NOT VALID first.'],
    'TD037: a foreign key keeps the parent'
);
ALTER TABLE shop.child DROP CONSTRAINT stays,
    ADD CONSTRAINT goes FOREIGN KEY (parent) REFERENCES shop.row ON DELETE CASCADE;
SELECT is(pgtandem.require_deletable('shop.row', 'shop.child')::text, '', 'it goes along');

-- require_determined
CREATE VIEW shop.sure AS SELECT id, upper(c) AS c FROM shop.row;
CREATE VIEW shop.clock AS SELECT id, a + extract(day FROM now()) AS a FROM shop.row;
CREATE VIEW shop.both AS SELECT r.id FROM shop.row AS r JOIN shop.child AS c USING (id);
SELECT is(
    pgtandem.require_determined('shop.sure', ARRAY['shop.row']::regclass[])::text, '',
    'the same rows give the same image'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_determined('shop.clock',
                                                           ARRAY['shop.row']::regclass[]) $$),
    ARRAY['TD039', 'what the mapping says changes without a write', 'It calls now().',
          'Read a column instead; or make it initial, which is computed once.'],
    'TD039: it depends on the clock'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_determined('shop.both',
                                                           ARRAY['shop.row']::regclass[]) $$),
    ARRAY['TD017', 'the mapping reads tables that its triggers do not watch',
          'Not watched: shop.child.',
          'Give them under joins, with what a row of them touches; render again.'],
    'TD017: a table that is no join'
);

-- is_default
SELECT is(pgtandem.is_default('shop.row', 'a', '7'), true, 'it holds its default');
SELECT is(pgtandem.is_default('shop.row', 'a', '8'), false, 'it holds another value');
SELECT is(pgtandem.is_default('shop.row', 'c', NULL), true, 'it holds nothing');
SELECT is(pgtandem.is_default('shop.row', 'c', ''), false, 'without a default it was given');
SELECT is(
    pgtandem.is_default('shop.row', 'b', gen_random_uuid()::text), true,
    'a default that is another each time cannot be told from a value'
);

-- require_complete
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_complete('shop') $$),
    ARRAY['TD019', 'the copy of mapping "shop" is not complete', 'It is none.',
          'pgtandem backfill shop, or in psql: CALL pgtandem.backfill(''shop'');'],
    'TD019: the copy has not begun'
);
UPDATE pgtandem.mapping SET copy_state = 'open' WHERE name = 'shop';
SELECT throws_ok(
    $$ SELECT pgtandem.require_complete('shop') $$, 'TD019', NULL, 'TD019: it is open'
);
UPDATE pgtandem.mapping SET copy_state = 'complete' WHERE name = 'shop';
SELECT is(pgtandem.require_complete('shop')::text, '', 'the copy is complete');
SELECT throws_ok(
    $$ SELECT pgtandem.require_complete('none') $$, 'TD001', NULL, 'TD001: the mapping is unknown'
);

SELECT * FROM finish();

ROLLBACK;
