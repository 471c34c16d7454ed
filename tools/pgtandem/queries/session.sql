-- Every session of a command: no timeout of a role bounds what is meant to run long (pg_dump does
-- the same), and a statement ends by itself when its client is gone.
SELECT set_config(s.name, w.value, false)
FROM (VALUES
    ('statement_timeout', '0'),
    ('transaction_timeout', '0'), -- since PostgreSQL 17
    ('idle_in_transaction_session_timeout', '0'),
    ('client_connection_check_interval', '2s')
) AS w (name, value)
JOIN pg_settings AS s ON s.name = w.name;
