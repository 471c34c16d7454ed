-- force: also rows that the application has changed since.
CALL pgtandem.undo(%(mapping)s, %(force)s);
