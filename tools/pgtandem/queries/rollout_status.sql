SELECT * FROM pgtandem.rollout_status ORDER BY flag;
