INSERT INTO pgtandem.import_bad (import, file, position, line, name, reason, message, size, raw)
VALUES (%(import)s, %(file)s, %(position)s, %(line)s, %(name)s, %(reason)s, %(message)s, %(size)s,
        %(raw)s);
