-- A table as somebody wrote it, in parts.
SELECT n.parts, n.schema, to_regnamespace(quote_ident(n.schema)) IS NOT NULL AS has_schema,
       to_regclass(format('%%I.%%I', n.schema, n.parts[cardinality(n.parts)])) IS NOT NULL
           AS has_table
FROM (
    SELECT p.parts, CASE cardinality(p.parts) WHEN 1 THEN current_schema() ELSE p.parts[1] END
    FROM parse_ident(%(staging)s) AS p (parts)
) AS n (parts, schema);
