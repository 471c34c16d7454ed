-- reason: one of those of pgtandem.recheck, or NULL for all entries.
CALL pgtandem.drain(%(mapping)s, %(reason)s);
