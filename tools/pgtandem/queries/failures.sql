-- Keys that failed, those with the most tries first; as text, lest a number lose digits.
SELECT
    f.key::text AS key,
    f.reason,
    f.sqlstate,
    f.message,
    f.attempts,
    f.queued_at,
    nullif(f.not_before, '-infinity') AS not_before -- NULL: due at once
FROM pgtandem.failures AS f
WHERE f.mapping = %(mapping)s
ORDER BY f.attempts DESC, f.queued_at
LIMIT %(limit)s;
