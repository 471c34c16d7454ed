-- The locks of a session on tables of the applications that somebody else would notice. What that
-- session has made itself is not seen here.
SELECT format('%%I.%%I', n.nspname, c.relname) AS "table", l.mode
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = %(pid)s
  AND l.granted
  AND l.locktype = 'relation'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
  AND c.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgtandem')
  AND n.nspname NOT LIKE 'pgtandem\_%%'
ORDER BY 1;
