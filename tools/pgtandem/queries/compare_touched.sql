-- A part of compare_queued.sql, where the mapping has joined tables whose rows do not hold the key.
UNION ALL
SELECT t.key
FROM pgtandem.recheck AS r
CROSS JOIN LATERAL {schema}.touched(r.via, r.key) AS t (key)
WHERE r.mapping = %(mapping)s AND r.via IS NOT NULL
