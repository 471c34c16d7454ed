CREATE SCHEMA {schema};
COMMENT ON SCHEMA {schema} IS 'Documents as they were imported.';
