-- The comparison of that number, or the last one of the mapping that is deployed now.
SELECT
    c.id,
    c.hash = m.hash AS counts,
    c.missing + c.extra + c.changed AS differences,
    c.finished_at
FROM pgtandem.mapping AS m
JOIN pgtandem.comparison AS c ON c.mapping = m.name
WHERE m.name = %(mapping)s
  AND CASE WHEN %(comparison)s::bigint IS NULL THEN c.hash = m.hash ELSE c.id = %(comparison)s END
ORDER BY c.id DESC
LIMIT 1;
