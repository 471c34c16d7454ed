SELECT * FROM pgtandem.undo_preview(%(mapping)s, %(force)s);
