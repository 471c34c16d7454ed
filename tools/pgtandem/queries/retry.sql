SELECT pgtandem.retry(%(mapping)s, %(reason)s);
