-- What an undo has left, and why. limit: NULL for all.
SELECT r.key::text AS key, r.reason, r.sqlstate, r.message
FROM pgtandem.undo_rows(%(mapping)s, %(force)s) AS r
LIMIT %(limit)s;
