SELECT
    pgtandem.enabled(%(flag)s, %(user)s::text) AS enabled,
    pgtandem.flag_rule(%(flag)s, %(user)s::text) AS rule,
    pgtandem.bucket(%(user)s::text) AS bucket;
