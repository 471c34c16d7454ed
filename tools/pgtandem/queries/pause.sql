SELECT pgtandem.pause(%(mapping)s, %(reason)s);
