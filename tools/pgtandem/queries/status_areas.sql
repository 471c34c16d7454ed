-- What the last full comparison found by areas; no row where the mapping has none.
SELECT a.area, a.changed, a.columns
FROM pgtandem.comparison_area AS a
WHERE a.comparison = (
    SELECT max(c.id) FROM pgtandem.comparison AS c
    WHERE c.mapping = %(mapping)s AND c.scope = 'full'
)
ORDER BY a.place;
