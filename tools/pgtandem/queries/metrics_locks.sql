SELECT
    count(*) AS blocked_sessions,
    coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0) AS blocked_longest_seconds
FROM pgtandem.lock_waits;
