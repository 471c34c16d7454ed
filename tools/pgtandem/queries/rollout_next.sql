SELECT * FROM pgtandem.next_stage(%(flag)s, %(reason)s);
