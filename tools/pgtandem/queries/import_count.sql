SELECT count(*) AS inserted, 0 AS updated, true AS is_done FROM pg_temp.pgtandem_chunk;
