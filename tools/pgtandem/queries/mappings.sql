-- The deployed mappings, and whether what they stand on is still there.
SELECT
    m.name,
    m.hash,
    m.phase,
    m.copy_state,
    coalesce(m.settings #>> '{sync,mode}', 'record') AS mode,
    m.source::text AS source,
    m.target::text AS target,
    s.oid IS NOT NULL AS has_source,
    t.oid IS NOT NULL AS has_target,
    ARRAY(
        SELECT p.proname::text
        FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'pgtandem_' || m.name
    ) AS routines,
    pg_is_in_recovery() AS is_standby
FROM pgtandem.mapping AS m
LEFT JOIN pg_class AS s ON s.oid = m.source
LEFT JOIN pg_class AS t ON t.oid = m.target
ORDER BY m.name;
