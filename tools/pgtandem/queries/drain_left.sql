-- What is left in the queue: entries, and those among them with an error.
SELECT count(*) AS left, count(*) FILTER (WHERE r.sqlstate IS NOT NULL) AS failed
FROM pgtandem.recheck AS r
WHERE r.mapping = %(mapping)s AND r.side = 'target';
