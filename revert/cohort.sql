-- Revert pgtandem:cohort from pg

BEGIN;

DROP FUNCTION IF EXISTS pgtandem.drop_flag(text, text);
DROP FUNCTION IF EXISTS pgtandem.remove_cohort(text, text, text);
DROP FUNCTION IF EXISTS pgtandem.add_cohort(text, text, text);
DROP FUNCTION IF EXISTS pgtandem._lock_cohorts();
DROP FUNCTION IF EXISTS pgtandem._unbind_cohorts();
DROP FUNCTION IF EXISTS pgtandem._bind_cohorts();
DROP FUNCTION IF EXISTS pgtandem._cohort(text);
DROP FUNCTION IF EXISTS pgtandem._cohort_function(text);

COMMIT;
