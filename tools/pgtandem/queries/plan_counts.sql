-- What would happen to each row, counted: by category, by side, by the columns that differ. {category}
-- is of plan_category.sql, or NULL.
SELECT
    {category} AS category,
    c.in_source,
    c.in_target,
    CASE WHEN c.changed THEN c.columns END AS columns,
    false AS outside,
    count(*) AS rows
FROM {compared} AS c
{categories}
WHERE c.in_source OR c.in_target
GROUP BY 1, 2, 3, 4;
