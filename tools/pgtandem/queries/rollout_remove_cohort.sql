SELECT pgtandem.remove_cohort(%(flag)s, %(cohort)s, %(reason)s) AS changed;
