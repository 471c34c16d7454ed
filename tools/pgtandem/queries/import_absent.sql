SELECT * FROM pgtandem.count_absent(%(import)s);
