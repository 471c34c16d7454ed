-- planned: whether the planner would use it for its query just now; NULL: there is no query, or it
-- cannot be planned.
SELECT
    name, valid, bytes, scans, entries_read, query,
    pg_size_pretty(bytes) AS size,
    pgtandem.uses_index(query, name) AS planned
FROM pgtandem.index_use
WHERE mapping = %(mapping)s
ORDER BY name;
