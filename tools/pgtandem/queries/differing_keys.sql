-- A JSON array of the keys that a comparison found to differ, as far as they are stored.
SELECT coalesce(jsonb_agg(d.key), '[]')::text AS keys, count(*) AS count
FROM (SELECT DISTINCT key FROM pgtandem.difference WHERE comparison = %(comparison)s) AS d;
