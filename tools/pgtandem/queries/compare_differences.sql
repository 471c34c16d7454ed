-- What differs, for up to so many keys; of one area only, if it is given. Keys as text, lest a number
-- lose digits on its way.
SELECT
    d.key::text AS key,
    e.kind,
    a.area,
    e.column_name AS "column",
    e.source_value AS old,
    e.target_value AS new,
    -- A path is no column of the target.
    e.column_name IS NOT NULL AND NOT EXISTS (
        SELECT FROM pgtandem.mapping AS m
        JOIN pg_attribute AS t ON t.attrelid = m.target AND t.attname = e.column_name
        WHERE m.name = %(mapping)s
    ) AS is_json
FROM (
    SELECT * FROM {compared}
    WHERE (changed OR in_source <> in_target)
      AND (%(columns)s::text[] IS NULL OR (changed AND columns && %(columns)s))
    LIMIT %(limit)s
) AS d
CROSS JOIN LATERAL pgtandem.explain_difference(
    d.in_source, d.in_target, d.columns, d.source, d.target
) AS e
LEFT JOIN pgtandem.areas_of(%(mapping)s) AS a ON e.column_name = ANY (a.columns)
WHERE %(columns)s::text[] IS NULL OR e.column_name = ANY (%(columns)s)
ORDER BY d.key;
