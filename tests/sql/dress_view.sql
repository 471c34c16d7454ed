-- Tests pgtandem:dress_view. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(5);

CREATE SCHEMA shop;
CREATE TABLE shop.old (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text DEFAULT 'x' || 'y',
    seen timestamptz
);

-- dress_view
GRANT SELECT, INSERT ON shop.old TO PUBLIC;
GRANT UPDATE (name) ON shop.old TO pg_monitor;
CREATE VIEW shop.dressed AS SELECT id, name, seen FROM shop.old;
SELECT pgtandem.dress_view('shop.old', 'shop.dressed');
SELECT results_eq(
    $$ SELECT a.attname::text COLLATE "default",
              pg_get_expr(d.adbin, d.adrelid) COLLATE "default"
       FROM pg_catalog.pg_attrdef AS d
       JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
       WHERE d.adrelid = 'shop.dressed'::regclass ORDER BY a.attnum $$,
    $$ VALUES ('id', 'nextval(''shop.old_id_seq''::regclass)'),
              ('name', '(''x''::text || ''y''::text)') $$,
    'a view gets the defaults of its table'
);
SELECT ok(
    has_table_privilege('pg_monitor', 'shop.dressed', 'SELECT')
    AND has_table_privilege('pg_monitor', 'shop.dressed', 'INSERT')
    AND has_column_privilege('pg_monitor', 'shop.dressed', 'name', 'UPDATE')
    AND NOT has_table_privilege('pg_monitor', 'shop.dressed', 'UPDATE')
    AND NOT has_table_privilege('pg_monitor', 'shop.dressed', 'DELETE'),
    'and its grants, of columns too, and no more'
);

SELECT ok(
    has_sequence_privilege('pg_monitor', 'shop.old_id_seq', 'USAGE'),
    'who inserts may use the sequence of an identity, which the default of the view asks for'
);

-- undress_view: what was said of the view since is said of the table
CREATE SCHEMA crm;
CREATE TABLE crm.old (id integer, name text, seen timestamptz);
GRANT SELECT, DELETE ON crm.old TO pg_monitor;
GRANT UPDATE (seen) ON crm.old TO pg_monitor;
CREATE VIEW crm.dressed AS SELECT * FROM crm.old;
SELECT pgtandem.dress_view('crm.old', 'crm.dressed');
REVOKE DELETE ON crm.dressed FROM pg_monitor;
REVOKE UPDATE (seen) ON crm.dressed FROM pg_monitor;
GRANT SELECT ON crm.dressed TO PUBLIC;
GRANT SELECT ON crm.dressed TO pg_read_all_stats WITH GRANT OPTION;
GRANT UPDATE (name) ON crm.dressed TO pg_monitor;
COMMENT ON COLUMN crm.dressed.seen IS 'By anybody.';
CREATE RULE alas AS ON UPDATE TO crm.dressed DO INSTEAD NOTHING;
SELECT pgtandem.undress_view('crm.dressed', 'crm.old');
SELECT set_eq(
    $$ SELECT * FROM pgtandem._grants('crm.old') $$,
    $$ VALUES ('SELECT', 'pg_monitor', false), ('SELECT', 'PUBLIC', false),
              ('SELECT', 'pg_read_all_stats', true), ('UPDATE (name)', 'pg_monitor', false) $$,
    'grants and revokes'
);
SELECT is(col_description('crm.old'::regclass, 3), 'By anybody.', 'comments');

SELECT * FROM finish();

ROLLBACK;
