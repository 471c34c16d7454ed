-- The last events of a mapping, oldest first.
SELECT * FROM (
    SELECT happened_at, kind, detail, role, application, reason
    FROM pgtandem.event
    WHERE mapping = %(mapping)s
    ORDER BY id DESC
    LIMIT %(limit)s
) AS last
ORDER BY happened_at;
