SELECT pgtandem.add_cohort(%(flag)s, %(cohort)s, %(reason)s) AS changed;
