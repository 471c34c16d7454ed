INSERT INTO pgtandem.difference
    (comparison, key, kind, column_name, source_value, target_value)
VALUES (%(comparison)s, %(key)s::jsonb, %(kind)s, %(column)s, %(old)s, %(new)s);
