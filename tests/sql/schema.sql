-- Tests pgtandem:schema, and what holds for everything in it and in the schemas of the mappings.
-- Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(13);

SELECT has_schema('pgtandem');
SELECT isnt(obj_description('pgtandem'::regnamespace, 'pg_namespace'), NULL, 'it has a comment');

CREATE TEMPORARY VIEW ours AS
SELECT oid AS namespace FROM pg_catalog.pg_namespace
WHERE nspname = 'pgtandem' OR nspname LIKE 'pgtandem\_%';
SELECT cmp_ok((SELECT count(*) FROM ours), '>', 1::bigint, 'there is a mapping to look at');

-- Comments.
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM pg_catalog.pg_proc
       WHERE pronamespace IN (SELECT namespace FROM ours)
         AND obj_description(oid, 'pg_proc') IS NULL $$,
    'every routine has a comment'
);
SELECT is_empty(
    $$ SELECT oid::regclass FROM pg_catalog.pg_class
       WHERE relnamespace IN (SELECT namespace FROM ours) AND relkind IN ('r', 'p', 'v', 'm')
         AND obj_description(oid, 'pg_class') IS NULL $$,
    'every table and view has a comment'
);
SELECT is_empty(
    $$ SELECT c.oid::regclass, a.attname
       FROM pg_catalog.pg_class AS c
       JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
       WHERE c.relnamespace = 'pgtandem'::regnamespace AND c.relkind IN ('r', 'p', 'v')
         AND NOT a.attisdropped
         AND col_description(c.oid, a.attnum) IS NULL $$,
    'every column of the engine has a comment'
);
SELECT is_empty(
    $$ SELECT t.oid::regtype FROM pg_catalog.pg_type AS t
       JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c'
       WHERE t.typnamespace IN (SELECT namespace FROM ours)
         AND obj_description(t.oid, 'pg_type') IS NULL $$,
    'every type has a comment'
);

-- Nobody can put an object of his own in the way of a routine.
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM pg_catalog.pg_proc
       WHERE pronamespace IN (SELECT namespace FROM ours)
         AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(proconfig, '{}'))
         AND prokind = 'f'                                 -- a procedure that commits cannot pin
         AND prosqlbody IS NULL                            -- bound to its objects when created
         AND oid <> 'pgtandem.queue(text, jsonb, text, text, text)'::regprocedure $$,
    'every function pins its search_path, or needs none'
);
SELECT is_empty(
    $$ SELECT p.oid::regprocedure
       FROM pg_catalog.pg_proc AS p
       CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
       WHERE p.pronamespace IN (SELECT namespace FROM ours)
         AND p.prosecdef
         AND a.grantee <> p.proowner $$,
    'no function that runs with its owner''s rights can be called by others'
);
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM pg_catalog.pg_proc
       WHERE pronamespace IN (SELECT namespace FROM ours)
         AND prosecdef
         AND prorettype <> 'trigger'::regtype
         AND oid <> 'pgtandem.enabled(text, text)'::regprocedure $$,
    'and all of these are triggers, but the one that applications ask for flags'
);
SELECT set_eq(
    $$ SELECT oid::regprocedure::text FROM pg_catalog.pg_proc
       WHERE pronamespace = 'pgtandem'::regnamespace AND prosecdef $$,
    $$ VALUES ('pgtandem.enabled(text,text)') $$,
    'which is the only one of the engine itself'
);
SELECT is_empty(
    $$ SELECT n.nspname, r.rolname, p.privilege
       FROM ours
       JOIN pg_catalog.pg_namespace AS n ON n.oid = ours.namespace
       CROSS JOIN (VALUES ('USAGE'), ('CREATE')) AS p (privilege)
       CROSS JOIN pg_catalog.pg_roles AS r
       WHERE r.rolname IN ('old_app', 'new_app')
         AND has_schema_privilege(r.oid, n.oid, p.privilege) $$,
    'the applications can reach none of the schemas'
);
SELECT is_empty(
    $$ SELECT c.oid::regclass, a.grantee::regrole
       FROM pg_catalog.pg_class AS c
       CROSS JOIN LATERAL aclexplode(c.relacl) AS a
       WHERE c.relnamespace IN (SELECT namespace FROM ours) AND a.grantee <> c.relowner $$,
    'nor has anybody but the owner been given a table'
);

SELECT * FROM finish();

ROLLBACK;
