-- Of about so many random rows of the target, those that have no image.
WITH size AS (
    SELECT t.rows, t.error FROM pgtandem.mapping AS m
    CROSS JOIN LATERAL pgtandem._count_rows(m.target) AS t
    WHERE m.name = %(mapping)s
), compared AS (
    SELECT c.in_source, c.in_target
    FROM {schema}.compared_keys(
        (SELECT coalesce(jsonb_agg(t.key), '[]')
         FROM pgtandem.sample_target(%(mapping)s, %(rows)s) AS t (key))
    ) AS c
)
SELECT
    s.rows AS total,
    s.error,
    (SELECT count(*) FROM compared AS c WHERE c.in_target OR NOT c.in_source) AS sampled,
    (SELECT count(*) FROM compared AS c WHERE c.in_target AND NOT c.in_source) AS extra
FROM size AS s;
