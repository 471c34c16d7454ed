SELECT pgtandem.finish_import(%(import)s);
