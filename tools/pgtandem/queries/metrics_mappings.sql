-- A line for each mapping. Times in seconds, moments in seconds since 1970.
SELECT
    s.mapping,
    s.phase,
    s.copy_state,
    p.blocks AS copy_blocks,
    p.blocks_done AS copy_done_blocks,
    p.chunks AS copy_chunks,
    p.chunks_done AS copy_done_chunks,
    p.rows_done AS copied_rows,
    s.percent / 100 AS copy_progress_ratio,
    p.rows_per_second AS copy_rows_per_second,
    extract(epoch FROM p.eta) AS copy_eta_seconds,
    (p.waiting_for LIKE 'paused by %%' AND p.copy_state = 'open') IS TRUE AS paused,
    s.failed AS queue_failed_entries,
    coalesce(extract(epoch FROM s.delay), 0) AS queue_delay_seconds
FROM pgtandem.status AS s
JOIN pgtandem.progress AS p USING (mapping)
WHERE %(names)s::text[] = '{}' OR s.mapping = ANY (%(names)s::text[])
ORDER BY s.mapping;
