SELECT pgtandem.advance_import(
    %(import)s, %(chunk)s, %(file)s, %(line)s, %(position)s, %(total)s, %(digest)s, %(counts)s);
