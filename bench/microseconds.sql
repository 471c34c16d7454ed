CALL hand.microseconds(%(what)s, %(count)s, NULL);
