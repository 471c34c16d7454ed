INSERT INTO pgtandem.comparison_area (comparison, place, area, columns, changed)
VALUES (%(comparison)s, %(place)s, %(area)s, %(columns)s, %(changed)s);
