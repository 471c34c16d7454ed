-- Keys that failed, each with its last error, those with the most tries first; the key as text,
-- lest a number lose digits.
SELECT * FROM (
    SELECT DISTINCT ON (f.key)
        f.key::text AS key,
        f.reason,
        f.sqlstate,
        f.message,
        f.attempts,
        f.queued_at,
        nullif(f.not_before, '-infinity') AS not_before -- NULL: due at once
    FROM pgtandem.failures AS f
    WHERE f.mapping = %(mapping)s
    ORDER BY f.key, f.attempts DESC, f.queued_at
) AS by_key
ORDER BY attempts DESC, queued_at
LIMIT %(limit)s;
