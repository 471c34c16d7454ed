SELECT flag, state, percentage / 100.0 AS flag_rollout_ratio
FROM pgtandem.rollout_status
ORDER BY flag;
