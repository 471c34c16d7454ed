SELECT * FROM pgtandem.progress WHERE mapping = %(mapping)s;
