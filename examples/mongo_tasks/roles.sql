-- The two applications' roles. Run once for each server, by a role that may create roles:
--
--     psql -d postgres -f roles.sql
--
-- It may be run again. Neither role gets a password: on a server that asks for one, set it with
-- \password. Nothing else in this example creates a role; where these two are absent, the grants
-- to them are left out.

\set ON_ERROR_STOP on

SELECT format('CREATE ROLE %I LOGIN', r.name)
  FROM (VALUES ('old_app'), ('new_app')) AS r (name)
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r.name)
\gexec
