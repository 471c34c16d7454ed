CALL hand.update_many(%(what)s, %(count)s);
