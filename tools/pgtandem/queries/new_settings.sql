-- Types, defaults and expressions then come with their schema.
SELECT set_config('search_path', 'pg_catalog', false)
