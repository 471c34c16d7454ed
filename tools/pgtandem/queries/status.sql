-- A line for each mapping, with the progress of its backfill. mapping: NULL for all.
SELECT
    s.*,
    p.blocks,
    p.blocks_done,
    p.rows_done,
    p.rows_per_second,
    p.eta,
    p.workers,
    p.waiting_for,
    pgtandem.pre_image_size(s.mapping) AS pre_image_bytes
FROM pgtandem.status AS s
JOIN pgtandem.progress AS p USING (mapping)
WHERE %(mapping)s::text IS NULL OR s.mapping = %(mapping)s
ORDER BY s.mapping;
