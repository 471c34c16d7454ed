-- What a success table asks of each mapping; phase NULL: it is not deployed. Times in seconds.
SELECT
    n.name AS mapping,
    s.phase,
    s.failed,
    coalesce(extract(epoch FROM s.delay), 0) AS delay,
    s.queued,
    c.comparison,
    c.counts,
    c.finished_at,
    c.source_rows,
    greatest(c.source_rows, c.target_rows) AS rows,
    c.missing,
    c.differences,
    s.last_clean,
    extract(epoch FROM clock_timestamp() - s.last_clean) AS clean_age,
    g.figure AS sync_errors,
    g.detail AS sync_detail
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS n (name, place)
LEFT JOIN pgtandem.status AS s ON s.mapping = n.name
LEFT JOIN pgtandem.comparison_status AS c ON c.mapping = n.name
LEFT JOIN pgtandem.gate_status AS g
    ON g.mapping = n.name AND g.name = 'sync_failure_percent'
ORDER BY n.place;
