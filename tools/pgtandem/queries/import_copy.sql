COPY pg_temp.pgtandem_chunk (n, spelled, document) FROM STDIN (FORMAT binary);
