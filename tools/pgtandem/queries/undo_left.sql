-- What an undo would leave, or has left, and why; the last written first.
SELECT r.key::text AS key, r.reason, r.sqlstate, r.message
FROM pgtandem.undo_rows(%(mapping)s, %(force)s) AS r
WHERE r.reason IS NOT NULL OR r.sqlstate IS NOT NULL;
