-- What a table is. No row where there is none of that name.
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relkind::text AS kind,
       c.relkind = 'r' AND EXISTS (
           SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid
       ) AS has_children,
       c.relrowsecurity AS has_policies,
       has_table_privilege(c.oid, 'TRIGGER') AS may_have_triggers
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s
