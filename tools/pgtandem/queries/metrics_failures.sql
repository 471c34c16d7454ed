SELECT
    mapping,
    reason,
    failures AS sync_failures,
    extract(epoch FROM last_failed_at) AS last_sync_failure_timestamp_seconds
FROM pgtandem.failure_status
WHERE %(names)s::text[] = '{}' OR mapping = ANY (%(names)s::text[])
ORDER BY mapping, reason;
