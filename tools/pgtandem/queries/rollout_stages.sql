SELECT pgtandem.set_stages(%(flag)s, %(stages)s::integer[], %(reason)s);
