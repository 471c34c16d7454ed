SELECT count(*) AS inserted, 0 AS updated FROM pg_temp.pgtandem_chunk;
