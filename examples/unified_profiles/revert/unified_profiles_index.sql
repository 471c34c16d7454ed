-- Revert unified_profiles:unified_profiles_index from pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Drops the indexes of the mapping. It may be run again, and has no BEGIN, as DROP INDEX
-- CONCURRENTLY runs outside of transactions.
--
-- Locks: vibelife.unified_profiles SHARE UPDATE EXCLUSIVE: no reader and no writer waits. It
-- waits for every transaction that uses the table, and has no lock_timeout.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT NOT EXISTS (
           SELECT FROM pgtandem.mapping
           WHERE name = 'unified_profiles' AND phase IN ('expand', 'sync', 'backfill', 'contract')
       ) AS done \gset
\if :done
    \quit
\endif

SET lock_timeout = 0;
SET statement_timeout = 0;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
-- A function of somebody else's that fits better is not to be found.
SET search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.begin_indexes('unified_profiles');
END;
$do$;

DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_account_email;
DO $do$
BEGIN
    PERFORM pgtandem.forget_index('unified_profiles', 'idx_profile_account_email');
END;
$do$;
DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_birth_date;
DO $do$
BEGIN
    PERFORM pgtandem.forget_index('unified_profiles', 'idx_profile_birth_date');
END;
$do$;
DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_interests;
DO $do$
BEGIN
    PERFORM pgtandem.forget_index('unified_profiles', 'idx_profile_interests');
END;
$do$;
DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_deletion;
DO $do$
BEGIN
    PERFORM pgtandem.forget_index('unified_profiles', 'idx_profile_deletion');
END;
$do$;
