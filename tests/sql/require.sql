-- Tests pgtandem:require. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(23);

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

-- require_complete
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.require_complete('shop') $$),
    ARRAY['TD019', 'the copy of mapping "shop" is not complete', '',
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
