-- Where the server keeps its data and how to tell it is this server; NULL for who may not know.
SELECT
    CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE')
         THEN current_setting('data_directory', true) END AS directory,
    extract(EPOCH FROM pg_postmaster_start_time())::bigint AS started,
    current_setting('port') AS port;
