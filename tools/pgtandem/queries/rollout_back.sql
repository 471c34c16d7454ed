SELECT * FROM pgtandem.previous_stage(%(flag)s, %(reason)s);
