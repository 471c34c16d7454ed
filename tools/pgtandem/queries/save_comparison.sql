SELECT pgtandem.save_comparison(
    %(mapping)s, %(hash)s, %(scope)s, %(started_at)s, %(snapshot)s, %(source_rows)s,
    %(target_rows)s, %(missing)s, %(extra)s, %(changed)s
) AS id;
