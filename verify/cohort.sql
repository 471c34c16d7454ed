-- Verify pgtandem:cohort on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._cohort_function(text)'::regprocedure;
SELECT 'pgtandem._cohort(text)'::regprocedure;
SELECT 'pgtandem._bind_cohorts()'::regprocedure;
SELECT 'pgtandem._unbind_cohorts()'::regprocedure;
SELECT 'pgtandem._lock_cohorts()'::regprocedure;
SELECT 'pgtandem.add_cohort(text, text, text)'::regprocedure;
SELECT 'pgtandem.remove_cohort(text, text, text)'::regprocedure;
SELECT 'pgtandem.drop_flag(text, text)'::regprocedure;

ROLLBACK;
