SELECT mapping, side, reason, entries AS queue_entries
FROM pgtandem.queue_status
WHERE %(names)s::text[] = '{}' OR mapping = ANY (%(names)s::text[])
ORDER BY mapping, side, reason;
