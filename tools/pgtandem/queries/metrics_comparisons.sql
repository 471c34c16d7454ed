-- The last full comparison. Moments in seconds since 1970.
SELECT
    c.mapping,
    extract(epoch FROM c.started_at) AS comparison_timestamp_seconds,
    extract(epoch FROM c.finished_at - c.started_at) AS comparison_duration_seconds,
    c.source_rows AS comparison_source_rows,
    c.target_rows AS comparison_target_rows,
    greatest(0, 1 - c.differences::numeric / greatest(c.source_rows, c.target_rows, 1))
        AS comparison_consistency_ratio,
    c.counts AS comparison_counts,
    c.clean AS comparison_clean,
    extract(epoch FROM c.last_clean) AS last_clean_comparison_timestamp_seconds
FROM pgtandem.comparison_status AS c
WHERE %(names)s::text[] = '{}' OR c.mapping = ANY (%(names)s::text[])
ORDER BY c.mapping;
