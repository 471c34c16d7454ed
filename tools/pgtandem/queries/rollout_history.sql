-- The last changes of a flag, or of all (flag: NULL), oldest first.
SELECT * FROM (
    SELECT id, changed_at, flag, what, subject, old, new, role, application, reason
    FROM pgtandem.flag_change
    WHERE %(flag)s::text IS NULL OR flag = %(flag)s
    ORDER BY id DESC
    LIMIT %(limit)s
) AS last
ORDER BY id;
