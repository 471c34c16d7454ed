-- What one writes by hand to compare the two tables: every column, nothing but counts.
SELECT count(s.id) AS source_rows,
       count(t.id) AS target_rows,
       count(*) FILTER (WHERE t.id IS NULL) AS missing,
       count(*) FILTER (WHERE s.id IS NULL) AS extra,
       count(*) FILTER (WHERE s.id = t.id
                          AND (s.user_id IS DISTINCT FROM t.user_id
                               OR s.name IS DISTINCT FROM t.name
                               OR s.type IS DISTINCT FROM t.category
                               OR s.brand IS DISTINCT FROM t.brand
                               OR s.created_at IS DISTINCT FROM t.created_at)) AS changed
FROM user_core.old_equipment AS s
FULL JOIN gear_ops.gear_items AS t ON t.id = s.id;
