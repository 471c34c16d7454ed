-- What one check finds: how many things are wrong, and the first of them.
SELECT
    count(*) AS found,
    coalesce(jsonb_agg(c.found ORDER BY c.n) FILTER (WHERE c.n <= %(examples)s), '[]') AS examples
FROM (SELECT found, row_number() OVER () AS n FROM {schema}.checked(%(name)s)) AS c;
