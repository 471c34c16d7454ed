-- Counts of a comparison. What is compared comes from compared_range.sql or compared_keys.sql: the
-- planner writes that function into this query, which may then run in parallel. Few rows pass a
-- filter.
SELECT
    c.pairs - c.extra - c.neither AS source_rows,
    c.pairs - c.missing - c.neither AS target_rows,
    c.missing,
    c.extra,
    c.changed,
    c.areas
FROM (
    SELECT
        count(*) AS pairs,
        count(*) FILTER (WHERE in_source AND NOT in_target) AS missing,
        count(*) FILTER (WHERE in_target AND NOT in_source) AS extra,
        count(*) FILTER (WHERE NOT in_source AND NOT in_target) AS neither,
        count(*) FILTER (WHERE changed) AS changed,
        ARRAY[{areas}]::bigint[] AS areas
    FROM {compared}
) AS c;
