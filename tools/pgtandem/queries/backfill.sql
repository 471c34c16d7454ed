-- One session of a backfill. max_time: seconds, or NULL for as long as it takes.
CALL pgtandem.backfill(%(mapping)s, make_interval(secs => %(max_time)s));
