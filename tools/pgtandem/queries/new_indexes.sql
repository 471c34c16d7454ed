-- The indexes of a table on plain columns: the primary key first, then unique ones, the shortest
-- first. is_key: one that identifies a row, as ON CONFLICT needs it.
SELECT k.columns,
       x.indisunique AND x.indimmediate AND x.indpred IS NULL AS is_key
FROM pg_index AS x
CROSS JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY o.position) AS columns
    FROM unnest((x.indkey::int2[])[0:x.indnkeyatts - 1]) WITH ORDINALITY AS o (number, position)
    JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = o.number
) AS k
WHERE x.indrelid = %(table)s AND x.indisvalid AND x.indexprs IS NULL
ORDER BY x.indisprimary DESC, is_key DESC, x.indnkeyatts, x.indexrelid
