SELECT hand.switch_triggers(%(kind)s);
