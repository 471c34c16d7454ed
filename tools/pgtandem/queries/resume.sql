SELECT pgtandem.resume(%(mapping)s, %(reason)s);
