SELECT
    side, relation, live_rows, inserts, updates, hot_updates, deletes, seq_scans, index_scans,
    dead_rows, last_vacuum, last_analyze, bytes,
    pg_size_pretty(bytes) AS size
FROM pgtandem.table_activity
WHERE mapping = %(mapping)s
ORDER BY side;
