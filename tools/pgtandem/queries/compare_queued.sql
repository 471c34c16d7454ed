-- Which of these keys (JSON arrays, as text) wait in the queue, by themselves or behind what a row of a
-- joined table touched.
SELECT k.key::text AS key
FROM unnest(%(keys)s::text[]::jsonb[]) AS k (key)
WHERE pgtandem._settled_at_once(%(mapping)s, k.key) IN (
    SELECT pgtandem._settled_at_once(%(mapping)s, r.key)
    FROM pgtandem.recheck AS r
    WHERE r.mapping = %(mapping)s AND r.side = 'target' AND r.via IS NULL
    {touched}
);
