SELECT p.mapping, k.state, k.chunks AS copy_chunks
FROM pgtandem.progress AS p
CROSS JOIN LATERAL (
    VALUES ('done', p.chunks_done), ('to_do', p.chunks - p.chunks_done)
) AS k (state, chunks)
WHERE %(names)s::text[] = '{}' OR p.mapping = ANY (%(names)s::text[])
ORDER BY p.mapping, k.state;
