-- How many of these keys (JSON arrays, as text) wait in the queue.
SELECT count(DISTINCT r.key) AS queued
FROM pgtandem.recheck AS r
WHERE r.mapping = %(mapping)s AND r.side = 'target' AND r.key = ANY (%(keys)s::text[]::jsonb[]);
