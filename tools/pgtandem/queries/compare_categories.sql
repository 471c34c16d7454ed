-- The counts of a comparison by the categories of the mapping. Rows that only the target has are of none.
SELECT
    k.category,
    count(*) AS rows,
    count(*) FILTER (WHERE NOT c.in_target AND NOT w.waits) AS missing,
    count(*) FILTER (WHERE c.changed AND NOT w.waits) AS changed
FROM {compared} AS c
JOIN {schema}.categories AS k ON k.key = c.key
CROSS JOIN LATERAL (SELECT
    (NOT c.in_target OR c.changed) AND c.key::text = ANY (%(waiting)s::text[]) AS waits
) AS w
WHERE c.in_source
GROUP BY k.category;
