SELECT pgtandem.delete_absent(%(import)s, %(after)s) AS last;
