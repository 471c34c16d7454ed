SELECT w.what
FROM pgtandem.companions(%(mapping)s) AS w (what);
