SELECT name AS slot, bytes AS slot_retained_bytes
FROM pgtandem.wal_status
WHERE kind = 'slot'
ORDER BY name;
