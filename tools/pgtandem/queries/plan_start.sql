-- What a plan starts from, in the snapshot that all of it reads. Times in seconds.
SELECT
    pg_export_snapshot() AS snapshot_id,
    now() AS at,
    m.hash,
    m.source = m.target AS in_place,
    m.settings ? 'unit' AS several,
    CASE WHEN m.copy_state = 'none' THEN CASE WHEN m.source = m.target OR m.settings ? 'merge'
                                         THEN 'none' ELSE 'ask' END
         ELSE m.sweep END AS sweep,
    CASE WHEN m.copy_state = 'complete' THEN 100.0 ELSE coalesce(
        (SELECT round(100.0 * sum(c.last_block - c.first_block) FILTER (WHERE c.done_at IS NOT NULL)
                      / sum(c.last_block - c.first_block), 1)
         FROM pgtandem.chunk AS c WHERE c.mapping = m.name), 0)
    END AS percent,
    extract(epoch FROM pgtandem._setting(m.settings, 'backfill', 'chunk_time', '0.2s')::interval)
        AS chunk_time,
    extract(epoch FROM pgtandem._setting(m.settings, 'backfill', 'pause', NULL)::interval)
        AS pause,
    pgtandem._is_large(m.source) AS is_large,
    pg_size_bytes(pgtandem._setting(m.settings, 'backfill', 'max_wal_rate', NULL)) AS max_wal_rate,
    ARRAY(
        SELECT jsonb_array_elements_text(m.settings -> 'categories')
        WHERE to_regclass(format('%%I.categories', 'pgtandem_' || m.name)) IS NOT NULL
    ) AS categories,
    (SELECT coalesce(
        sum(c.last_block - c.first_block) FILTER (WHERE c.done_at IS NULL),
        CASE WHEN count(c.id) > 0 THEN 0 END,
        (SELECT sum(pg_relation_size(l)) / current_setting('block_size')::bigint
         FROM pgtandem._leaves(m.source) AS l), 0)
     FROM pgtandem.chunk AS c WHERE c.mapping = m.name)::bigint AS blocks,
    (SELECT coalesce(sum(pg_relation_size(l)), 0)
     FROM pgtandem._leaves(m.source) AS l)::bigint AS source_bytes,
    (SELECT coalesce(sum(pg_total_relation_size(l)), 0)
     FROM pgtandem._leaves(m.target) AS l)::bigint AS target_bytes,
    current_setting('full_page_writes')::boolean AS full_page_writes,
    (SELECT count(*) FROM pg_constraint AS k
     WHERE k.conrelid = m.target AND k.contype = 'f' AND k.conparentid = 0
       AND m.source <> m.target) AS foreign_keys,
    (SELECT count(*) FROM pg_trigger AS t
     JOIN pg_proc AS f ON f.oid = t.tgfoid
     JOIN pg_namespace AS n ON n.oid = f.pronamespace
     WHERE t.tgrelid = m.target AND NOT t.tgisinternal AND t.tgenabled <> 'D'
       AND n.nspname NOT LIKE 'pgtandem\_%%') AS triggers,
    (SELECT count(*) FROM pgtandem.target_index AS x WHERE x.mapping = m.name) AS indexes
FROM pgtandem.mapping AS m
WHERE m.name = %(mapping)s;
