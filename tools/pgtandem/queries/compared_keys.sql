{schema}.compared_keys(%(keys)s::jsonb)
