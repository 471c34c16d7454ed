-- Verify pgtandem:rollout on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.flag WHERE false;
SELECT * FROM pgtandem.flag_user WHERE false;
SELECT * FROM pgtandem.flag_change WHERE false;
SELECT * FROM pgtandem.rollout_status WHERE false;
SELECT 'pgtandem.bucket(text)'::regprocedure;
SELECT 'pgtandem._in_cohort(text, text)'::regprocedure;
SELECT 'pgtandem.flag_rule(text, text)'::regprocedure;
SELECT 'pgtandem.enabled(text, text)'::regprocedure;
SELECT 'pgtandem.enabled(text, uuid)'::regprocedure;
SELECT 'pgtandem.enabled(text, bigint)'::regprocedure;

ROLLBACK;
