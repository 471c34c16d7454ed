SELECT pgtandem._drain_check(%(mapping)s);
