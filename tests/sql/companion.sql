-- Tests pgtandem:companion. Changes nothing; needs pgTAP in the search path. That all of it comes
-- back is tested in tests/test_contract_columns.py.
BEGIN;

SELECT plan(4);

CREATE SCHEMA shop;
CREATE TABLE shop.ref (id integer PRIMARY KEY);
CREATE TABLE shop.old (
    id   integer NOT NULL,
    name text COLLATE "C" DEFAULT 'x' NOT NULL CONSTRAINT long CHECK (name > ''),
    size integer CONSTRAINT of_ref REFERENCES shop.ref,
    kind text,
    CONSTRAINT one_each UNIQUE (id, name)
) PARTITION BY RANGE (id);
CREATE TABLE shop.old_1 PARTITION OF shop.old FOR VALUES FROM (0) TO (10);
CREATE TABLE shop.new (id integer PRIMARY KEY);
SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'shop.old', 'shop.new', ARRAY['id'],
                                 '{"contract": {"columns": ["size", "name"]}}', '0.1.0');
COMMENT ON COLUMN shop.old.size IS 'in mm';
GRANT SELECT (name) ON shop.old TO PUBLIC;
CREATE INDEX by_kind ON shop.old (kind);
CREATE INDEX by_size ON shop.old_1 (kind) WHERE size > 5;
COMMENT ON INDEX shop.by_size IS 'for the large ones';
SELECT results_eq(
    $$ SELECT * FROM pgtandem.companions('shop') $$,
    $$ VALUES ('default ''x''::text of name'), ('comment of size'),
              ('grant (SELECT to PUBLIC) of name'), ('NOT NULL of name'),
              ('index by_size in shop.old_1'), ('constraint one_each: UNIQUE (id, name)'),
              ('constraint long: CHECK ((name > ''''::text))'),
              ('constraint of_ref: FOREIGN KEY (size) REFERENCES shop.ref(id)'),
              ('comment on INDEX shop.by_size in shop.old_1') $$,
    'what goes with the columns'
);
SELECT results_eq(
    $$ SELECT column_name, statement FROM pgtandem._companions_of_columns('shop')
       WHERE step = 'column' ORDER BY id $$,
    $$ VALUES ('size', 'integer'), ('name', 'text COLLATE "C"') $$,
    'their types'
);
SELECT results_eq(
    $$ SELECT statement FROM pgtandem._companions_of_table('shop')
       WHERE statement ~ 'INDEX|UNIQUE' AND statement !~ 'COMMENT' ORDER BY id $$,
    $$ VALUES ('CREATE INDEX CONCURRENTLY by_size ON shop.old_1 USING btree (kind) '
               || 'WHERE (size > 5)'),
              ('CREATE UNIQUE INDEX CONCURRENTLY old_1_id_name_key ON shop.old_1 '
               || 'USING btree (id, name)'),
              ('ALTER TABLE shop.old_1 ADD CONSTRAINT old_1_id_name_key UNIQUE USING INDEX '
               || 'old_1_id_name_key'),
              ('ALTER TABLE ONLY shop.old ADD CONSTRAINT one_each UNIQUE (id, name)'),
              ('ALTER INDEX shop.one_each ATTACH PARTITION shop.old_1_id_name_key') $$,
    'an index of a partitioned table comes back leaf by leaf'
);
SELECT is_empty(
    $$ SELECT FROM pgtandem._companions_of_table('shop')
       WHERE step = 'after' AND lock_mode IS NULL AND name IS NULL
         AND statement !~ 'VALIDATE|COMMENT' $$,
    'what locks says so'
);

SELECT * FROM finish();

ROLLBACK;
