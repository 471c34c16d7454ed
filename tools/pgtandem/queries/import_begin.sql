SELECT * FROM pgtandem.begin_import(%(staging)s::regclass, %(files)s, %(full)s, %(restart)s);
