-- Deploy unified_profiles:retire_019 to pg
-- requires: unified_profiles_sync pgtandem:lock_tables
--
-- Migration 019's trigger goes, now that the one beside it does what it did, and more. (Side by
-- side they agree: what 019 writes into a document is a write like any other.)
--
-- Locks: vibe_users ACCESS EXCLUSIVE for some milliseconds, in bounded tries.

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM pgtandem.lock_tables(ARRAY['vibelife.vibe_users']::regclass[], 'ACCESS EXCLUSIVE');
END;
$$;
DROP TRIGGER IF EXISTS trigger_sync_account_to_profile ON vibelife.vibe_users;
DROP FUNCTION IF EXISTS vibelife.sync_account_to_profile();

COMMIT;
