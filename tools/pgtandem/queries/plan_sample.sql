-- The same as plan_counts.sql of about so many random rows of the source.
WITH sampled AS MATERIALIZED (
    SELECT * FROM pgtandem.sample_images(%(mapping)s, %(rows)s)
), compared AS MATERIALIZED (
    SELECT c.*
    FROM {schema}.compared_keys(
        (SELECT coalesce(jsonb_agg(s.key), '[]') FROM sampled AS s WHERE s.key IS NOT NULL)
    ) AS c
)
SELECT
    s.category,
    s.key IS NOT NULL AS in_source,
    coalesce(c.in_target, false) AS in_target,
    CASE WHEN c.changed THEN c.columns END AS columns,
    s.key IS NULL AS outside,
    count(*) AS rows
FROM sampled AS s
LEFT JOIN compared AS c ON c.key = s.key
GROUP BY 1, 2, 3, 4, 5;
