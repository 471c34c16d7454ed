-- What import_merge would write.
SELECT count(*) FILTER (WHERE t.document IS NULL) AS inserted,
       count(*) FILTER (WHERE t.document IS NOT NULL) AS updated, true AS is_done
FROM pg_temp.pgtandem_chunk AS c
LEFT JOIN LATERAL (
    SELECT document FROM {staging} AS there WHERE there._id = c._id LIMIT 1
) AS t ON true
WHERE t.document IS NULL OR ROW(t.document)::record *<> ROW(c.document)::record;
