-- Both states of each mapping, also where nobody is.
SELECT s.mapping, k.state, count(w.pid) AS workers
FROM pgtandem.write_status AS s
CROSS JOIN (VALUES ('working'), ('waiting')) AS k (state)
LEFT JOIN pgtandem.worker_status AS w
    ON w.mapping = s.mapping AND (w.kind IS NOT NULL) = (k.state = 'waiting')
WHERE s.side = 'source'
  AND (%(names)s::text[] = '{}' OR s.mapping = ANY (%(names)s::text[]))
GROUP BY s.mapping, k.state
ORDER BY s.mapping, k.state;
