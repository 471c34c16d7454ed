SELECT (SELECT count(*) FROM hand.failure) + (SELECT count(*) FROM pgtandem.recheck);
