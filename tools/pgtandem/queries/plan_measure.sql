-- What copying some ranges of blocks took; all of it is undone.
SELECT blocks, rows, seconds, wal_bytes, table_bytes, index_bytes, undo_bytes, strategy, failure
FROM pgtandem.measure(%(mapping)s);
