-- The snapshot that all sessions of a comparison share. now() is the time of BEGIN, before it.
SELECT
    pg_export_snapshot() AS snapshot_id,
    pg_current_snapshot()::text AS snapshot,
    now() AS started_at,
    m.hash,
    ARRAY(SELECT to_jsonb(a) FROM pgtandem.areas_of(m.name) AS a ORDER BY a.place) AS areas,
    ARRAY(
        SELECT jsonb_array_elements_text(m.settings -> 'categories')
        WHERE to_regclass(format('%%I.categories', 'pgtandem_' || m.name)) IS NOT NULL
    ) AS categories,
    pgtandem.key_cuts(m.name, %(parts)s) AS cuts
FROM pgtandem.mapping AS m
WHERE m.name = %(mapping)s;
