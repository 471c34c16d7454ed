-- Keys that failed, the latest of each with the most tries; as text, lest a number lose digits.
SELECT
    f.key::text AS key,
    f.reason,
    f.sqlstate,
    f.message,
    f.attempts,
    f.queued_at,
    f.not_before
FROM pgtandem.failures AS f
WHERE f.mapping = %(mapping)s
ORDER BY f.attempts DESC, f.queued_at
LIMIT %(limit)s;
