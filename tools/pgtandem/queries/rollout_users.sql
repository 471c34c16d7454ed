SELECT pgtandem.set_flag_users(%(flag)s, %(list)s, %(users)s::text[], %(reason)s) AS changed;
