INSERT INTO pgtandem.difference
    (comparison, key, kind, area, column_name, source_value, target_value)
VALUES (%(comparison)s, %(key)s::jsonb, %(kind)s, %(area)s, %(column)s, %(old)s, %(new)s);
