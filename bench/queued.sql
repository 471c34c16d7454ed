SELECT count(*) FROM pgtandem.recheck;
