SELECT name AS standby, bytes AS replication_lag_bytes
FROM pgtandem.wal_status
WHERE kind = 'standby'
ORDER BY name;
