-- Another session may have added the same _id a moment ago; then this chunk has to look again.
INSERT INTO {seen} (import, _id, hash)
SELECT %(import)s, _id, hash FROM pg_temp.pgtandem_chunk
ON CONFLICT DO NOTHING;
