-- What `pgtandem doctor` and `init` ask a database; every role may. Parameter registry: the schema in which
-- Sqitch keeps its books.
SELECT
    current_database() AS database_name,
    current_user AS role_name,
    current_setting('server_version') AS server_version,
    current_setting('server_version_num')::integer AS server_version_num,
    pg_is_in_recovery() AS is_standby,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    pg_has_role('pg_monitor', 'USAGE') AS may_monitor,
    current_setting('client_connection_check_interval') AS connection_check,
    current_setting('statement_timeout') AS statement_timeout,
    registry.changes IS NOT NULL AS has_registry,
    coalesce(
        has_schema_privilege(registry.schema, 'USAGE')
        AND has_table_privilege(registry.changes, 'SELECT'),
        false
    ) AS may_read_registry,
    coalesce(has_table_privilege(registry.changes, 'INSERT'), true) AS may_write_registry,
    registry.owner AS registry_owner,
    engine.owner AS engine_owner,
    coalesce(pg_has_role(engine.owner, 'USAGE'), true) AS may_change_engine
FROM (
    -- Looked up in the catalogue: to_regclass would ask for the right that is in question.
    SELECT
        n.oid AS schema,
        c.oid AS changes,
        pg_get_userbyid(n.nspowner)::text AS owner
    FROM (VALUES (%(registry)s::name)) AS named (registry)
    LEFT JOIN pg_namespace AS n ON n.nspname = named.registry
    LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'changes'
) AS registry
LEFT JOIN LATERAL (
    SELECT pg_get_userbyid(e.nspowner) AS owner FROM pg_namespace AS e WHERE e.nspname = 'pgtandem'
) AS engine ON true;
