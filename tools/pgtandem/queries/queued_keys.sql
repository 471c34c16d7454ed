-- Entries of these keys that wait in the queue as differences, and the fewest tries of one.
SELECT count(*) AS left, coalesce(min(r.attempts), 0) AS attempts
FROM pgtandem.recheck AS r
WHERE r.mapping = %(mapping)s
  AND r.side = 'target'
  AND r.reason = 'difference'
  AND r.key IN (SELECT k.key FROM jsonb_array_elements(%(keys)s::jsonb) AS k (key));
