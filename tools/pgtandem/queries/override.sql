SELECT pgtandem.override(%(mapping)s, %(condition)s, %(reason)s);
