SELECT last_value FROM hand.turn;
