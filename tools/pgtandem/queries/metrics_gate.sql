SELECT mapping, name AS condition, verdict, figure AS gate_figure
FROM pgtandem.gate_status
WHERE %(names)s::text[] = '{}' OR mapping = ANY (%(names)s::text[])
ORDER BY mapping, name;
