-- What may be asked: sessions of other roles are seen with pg_read_all_stats; flags where there are
-- any.
SELECT
    pg_is_in_recovery() AS is_standby,
    current_user AS role_name,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions,
    to_regclass('pgtandem.rollout_status') IS NOT NULL AS has_flags;
