-- Revert pgtandem:rollout from pg
-- The flags and their history go; grants on pgtandem.enabled, too.

BEGIN;

DROP VIEW IF EXISTS pgtandem.rollout_status;
DROP FUNCTION IF EXISTS pgtandem.enabled(text, bigint);
DROP FUNCTION IF EXISTS pgtandem.enabled(text, uuid);
DROP FUNCTION IF EXISTS pgtandem.enabled(text, text);
DROP FUNCTION IF EXISTS pgtandem.flag_rule(text, text);
DROP FUNCTION IF EXISTS pgtandem._in_cohort(text, text);
DROP FUNCTION IF EXISTS pgtandem.bucket(text);
DROP TABLE IF EXISTS pgtandem.flag_change;
DROP TABLE IF EXISTS pgtandem.flag_user;
DROP TABLE IF EXISTS pgtandem.flag;

COMMIT;
