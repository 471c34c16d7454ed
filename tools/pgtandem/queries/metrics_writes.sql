SELECT mapping, side, writes AS table_writes
FROM pgtandem.write_status
WHERE %(names)s::text[] = '{}' OR mapping = ANY (%(names)s::text[])
ORDER BY mapping, side;
