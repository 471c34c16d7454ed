SELECT mapping, kind AS reason, count(*) AS waiting_workers
FROM pgtandem.worker_status
WHERE kind IS NOT NULL AND (%(names)s::text[] = '{}' OR mapping = ANY (%(names)s::text[]))
GROUP BY mapping, kind
ORDER BY mapping, kind;
