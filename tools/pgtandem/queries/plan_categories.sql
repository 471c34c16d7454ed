-- A part of plan_counts.sql, where the mapping has categories.
LEFT JOIN {schema}.categories AS k ON k.key = c.key AND c.in_source
