SELECT mean_ms, calls, total_ms, query
FROM pgtandem.slow_statements
WHERE mapping = %(mapping)s
ORDER BY mean_ms DESC
LIMIT %(limit)s;
