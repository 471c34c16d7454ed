-- The documents of a chunk whose _id this import has met before, and whether they are the same.
-- Both here and in import_merge, LATERAL with LIMIT looks up each _id by the index, however large
-- the table is, and whatever the planner knows of it.
DELETE FROM pg_temp.pgtandem_chunk AS c
USING (
    SELECT w.n, w.hash = coalesce(s.hash, w.first_hash) AS is_same
    FROM (
        SELECT n, _id, hash,
               first_value(hash) OVER same_id AS first_hash, row_number() OVER same_id AS place
        FROM pg_temp.pgtandem_chunk
        WINDOW same_id AS (PARTITION BY _id ORDER BY n)
    ) AS w
    LEFT JOIN LATERAL (
        SELECT hash FROM {seen} AS seen
        WHERE seen._id = w._id AND seen.import = %(import)s
        LIMIT 1
    ) AS s ON true
    WHERE w.place > 1 OR s.hash IS NOT NULL
) AS r
WHERE r.n = c.n
RETURNING c.n, c._id, r.is_same;
