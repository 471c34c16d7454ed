-- A JSON array of keys.
SELECT coalesce(jsonb_agg(k), '[]')::text AS keys
FROM pgtandem.sample_keys(%(mapping)s, %(keys)s) AS k;
