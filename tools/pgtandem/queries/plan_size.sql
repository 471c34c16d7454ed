-- How many rows the source has, and the error of that.
SELECT s.rows, s.error
FROM pgtandem.mapping AS m
CROSS JOIN LATERAL pgtandem._count_rows(m.source) AS s
WHERE m.name = %(mapping)s;
