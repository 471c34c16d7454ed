-- Each scrape: it reads, waits for nobody, and is over before Prometheus gives up.
SELECT set_config(s.name, w.value, false)
FROM (VALUES
    ('default_transaction_read_only', 'on'),
    ('statement_timeout', '5s'),
    ('lock_timeout', '1s'),
    ('client_connection_check_interval', '2s')
) AS w (name, value)
JOIN pg_settings AS s ON s.name = w.name;
