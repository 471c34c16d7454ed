DELETE FROM pg_temp.pgtandem_chunk;
