SELECT * FROM pgtandem.import WHERE id = %(import)s;
