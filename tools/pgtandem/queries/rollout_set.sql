SELECT * FROM pgtandem.set_flag(%(flag)s, %(state)s, %(reason)s);
