SELECT pgtandem.drop_flag(%(flag)s, %(reason)s);
