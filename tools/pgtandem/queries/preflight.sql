-- Each check before the next phase: pass, warn or fail, the figure, what to do.
SELECT name, state, figure, todo
FROM pgtandem.preflight(
    %(mapping)s, %(backup_at)s, %(free_disk)s, %(rows)s, make_interval(secs => %(longest)s)
);
