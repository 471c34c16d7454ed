CALL keyset.copy(%(worker)s, %(low)s, %(high)s);
