-- What differs, for up to so many keys. Keys as text, lest a number lose digits on its way.
SELECT
    d.key::text AS key,
    e.kind,
    e.column_name AS "column",
    e.source_value AS old,
    e.target_value AS new
FROM (
    SELECT * FROM {compared}
    WHERE changed OR in_source <> in_target
    LIMIT %(limit)s
) AS d
CROSS JOIN LATERAL pgtandem.explain_difference(
    d.in_source, d.in_target, d.columns, d.source, d.target
) AS e
ORDER BY d.key;
