-- What is there and is the same, to the byte (1.0 is not 1), is neither written nor locked.
-- Where another session has inserted an _id meanwhile, this chunk has to look again: its document
-- may be the second one of that _id.
WITH wanted AS (
    SELECT c._id, c.document, t.document IS NULL AS is_new
    FROM pg_temp.pgtandem_chunk AS c
    LEFT JOIN LATERAL (
        SELECT document FROM {staging} AS there WHERE there._id = c._id LIMIT 1
    ) AS t ON true
    WHERE t.document IS NULL OR ROW(t.document)::record *<> ROW(c.document)::record
), inserted AS (
    INSERT INTO {staging} (_id, document, import)
    SELECT _id, document, %(import)s FROM wanted WHERE is_new
    ON CONFLICT (_id) DO NOTHING
    RETURNING 1
), updated AS (
    INSERT INTO {staging} (_id, document, import)
    SELECT _id, document, %(import)s FROM wanted WHERE NOT is_new
    ON CONFLICT (_id) DO UPDATE SET document = excluded.document, import = excluded.import
    RETURNING 1
)
SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS updated,
       count(*) = (SELECT count(*) FROM inserted) + (SELECT count(*) FROM updated) AS is_done
FROM wanted;
