SELECT function, calls, total_ms, mean_ms, to_measure
FROM pgtandem.trigger_cost
WHERE mapping = %(mapping)s
ORDER BY total_ms DESC NULLS LAST, function;
