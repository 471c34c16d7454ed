SELECT * FROM pgtandem.fit(%(mapping)s, %(rows)s);
