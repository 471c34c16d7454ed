SELECT mapping, kind, events
FROM pgtandem.event_status
WHERE %(names)s::text[] = '{}' OR mapping = ANY (%(names)s::text[])
ORDER BY mapping, kind;
