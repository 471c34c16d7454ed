SELECT c.mapping, k.kind, k.rows AS comparison_differing_rows
FROM pgtandem.comparison_status AS c
CROSS JOIN LATERAL (
    VALUES ('missing', c.missing), ('extra', c.extra), ('changed', c.changed)
) AS k (kind, rows)
WHERE %(names)s::text[] = '{}' OR c.mapping = ANY (%(names)s::text[])
ORDER BY c.mapping, k.kind;
