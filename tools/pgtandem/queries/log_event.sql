SELECT pgtandem.log_event(%(mapping)s, %(kind)s, %(detail)s::jsonb, %(reason)s);
