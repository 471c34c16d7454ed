-- None where PostgreSQL does not measure functions.
SELECT mapping, function, calls AS trigger_calls, total_ms / 1000 AS trigger_seconds
FROM pgtandem.trigger_cost
WHERE calls IS NOT NULL AND (%(names)s::text[] = '{}' OR mapping = ANY (%(names)s::text[]))
ORDER BY mapping, function;
