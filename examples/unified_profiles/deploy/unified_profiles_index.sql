-- Deploy unified_profiles:unified_profiles_index to pg
-- requires: unified_profiles_backfill
-- requires: pgtandem:index
--
-- Rendered by pgtandem 0.1.0 from the mapping "unified_profiles", SHA-256 a56678fac874bb1a.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Builds the indexes of the mapping on vibelife.unified_profiles while everybody goes on reading
-- and writing; what is there and valid stays. It may be run again: an index left INVALID by a
-- build that ended early is dropped and built anew. It has no BEGIN, as CREATE INDEX
-- CONCURRENTLY runs outside of transactions.
--
-- Locks: vibelife.unified_profiles SHARE UPDATE EXCLUSIVE while an index is built: no reader and
-- no writer waits, but DDL and VACUUM do. A build waits for every transaction that is older than
-- it, and has no lock_timeout, as each failure would be a full rebuild. See
-- pg_stat_progress_create_index.

SET lock_timeout = 0;
SET statement_timeout = 0;
-- Without it, a session whose client was killed would go on alone.
SET client_connection_check_interval = '2s';
-- A function of somebody else's that fits better is not to be found.
SET search_path = pg_catalog, pg_temp;
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('unified_profiles',
        'a56678fac874bb1aa15bfadb1b97d3f158fa7c9607eb76ba93a6f5fb8d587b86');
    PERFORM pgtandem.require_complete('unified_profiles');
    PERFORM pgtandem.begin_indexes('unified_profiles');
END;
$do$;

SELECT pgtandem.index_state('vibelife.unified_profiles', 'idx_profile_account_email', true,
                            'USING btree ((profile #>> ''{account,email}''))') = 'invalid'
                                AS left_invalid \gset
\if :left_invalid
    DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_account_email;
\endif
\set ON_ERROR_STOP 0
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_profile_account_email
    ON vibelife.unified_profiles USING btree ((profile #>> '{account,email}'));
\set failed :ERROR
\set ON_ERROR_STOP 1
\if :failed
    -- It would slow down writers, and a unique one refuse them. If not now, the next run drops it.
    DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_account_email;
    SELECT pgtandem.index_failed('idx_profile_account_email', :'LAST_ERROR_SQLSTATE',
                                 :'LAST_ERROR_MESSAGE');
\endif
COMMENT ON INDEX vibelife.idx_profile_account_email IS
    'Of the mapping unified_profiles. For: SELECT user_id FROM vibelife.unified_profiles WHERE '
    'profile #>> ''{account,email}'' = ''user42@example.com''';
DO $do$
BEGIN
    PERFORM pgtandem.register_index('unified_profiles', 'idx_profile_account_email',
                                    'USING btree ((profile #>> ''{account,email}''))',
                                    'SELECT user_id FROM vibelife.unified_profiles WHERE profile '
                                    '#>> ''{account,email}'' = ''user42@example.com''');
END;
$do$;

SELECT pgtandem.index_state('vibelife.unified_profiles', 'idx_profile_birth_date', false,
                            'USING btree ((profile #>> ''{birth_info,birth_date}''))') = 'invalid'
                                AS left_invalid \gset
\if :left_invalid
    DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_birth_date;
\endif
\set ON_ERROR_STOP 0
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_profile_birth_date
    ON vibelife.unified_profiles USING btree ((profile #>> '{birth_info,birth_date}'));
\set failed :ERROR
\set ON_ERROR_STOP 1
\if :failed
    -- It would slow down writers, and a unique one refuse them. If not now, the next run drops it.
    DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_birth_date;
    SELECT pgtandem.index_failed('idx_profile_birth_date', :'LAST_ERROR_SQLSTATE',
                                 :'LAST_ERROR_MESSAGE');
\endif
COMMENT ON INDEX vibelife.idx_profile_birth_date IS
    'Of the mapping unified_profiles. For: SELECT user_id FROM vibelife.unified_profiles WHERE '
    'profile #>> ''{birth_info,birth_date}'' = ''1984-02-29''';
DO $do$
BEGIN
    PERFORM pgtandem.register_index('unified_profiles', 'idx_profile_birth_date',
                                    'USING btree ((profile #>> ''{birth_info,birth_date}''))',
                                    'SELECT user_id FROM vibelife.unified_profiles WHERE profile '
                                    '#>> ''{birth_info,birth_date}'' = ''1984-02-29''');
END;
$do$;

SELECT pgtandem.index_state('vibelife.unified_profiles', 'idx_profile_interests', false,
                            'USING gin ((profile #> ''{preferences,interests}'') jsonb_path_ops)') =
                                'invalid' AS left_invalid \gset
\if :left_invalid
    DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_interests;
\endif
\set ON_ERROR_STOP 0
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_profile_interests
    ON vibelife.unified_profiles USING gin ((profile #> '{preferences,interests}') jsonb_path_ops);
\set failed :ERROR
\set ON_ERROR_STOP 1
\if :failed
    -- It would slow down writers, and a unique one refuse them. If not now, the next run drops it.
    DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_interests;
    SELECT pgtandem.index_failed('idx_profile_interests', :'LAST_ERROR_SQLSTATE',
                                 :'LAST_ERROR_MESSAGE');
\endif
COMMENT ON INDEX vibelife.idx_profile_interests IS
    'Of the mapping unified_profiles. For: SELECT user_id FROM vibelife.unified_profiles WHERE '
    'profile #> ''{preferences,interests}'' @> ''["tarot-8"]''';
DO $do$
BEGIN
    PERFORM pgtandem.register_index('unified_profiles', 'idx_profile_interests',
                                    'USING gin ((profile #> ''{preferences,interests}'') '
                                    'jsonb_path_ops)',
                                    'SELECT user_id FROM vibelife.unified_profiles WHERE profile '
                                    '#> ''{preferences,interests}'' @> ''["tarot-8"]''');
END;
$do$;

SELECT pgtandem.index_state('vibelife.unified_profiles', 'idx_profile_deletion', false,
                            'USING btree ((profile #>> ''{deletion,scheduled_for}'')) WHERE '
                            '(profile #>> ''{deletion,scheduled_for}'' IS NOT NULL)') = 'invalid'
                            AS left_invalid \gset
\if :left_invalid
    DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_deletion;
\endif
\set ON_ERROR_STOP 0
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_profile_deletion
    ON vibelife.unified_profiles USING btree ((profile #>> '{deletion,scheduled_for}'))
        WHERE (profile #>> '{deletion,scheduled_for}' IS NOT NULL);
\set failed :ERROR
\set ON_ERROR_STOP 1
\if :failed
    -- It would slow down writers, and a unique one refuse them. If not now, the next run drops it.
    DROP INDEX CONCURRENTLY IF EXISTS vibelife.idx_profile_deletion;
    SELECT pgtandem.index_failed('idx_profile_deletion', :'LAST_ERROR_SQLSTATE',
                                 :'LAST_ERROR_MESSAGE');
\endif
COMMENT ON INDEX vibelife.idx_profile_deletion IS
    'Of the mapping unified_profiles. For: SELECT user_id FROM vibelife.unified_profiles WHERE '
    'profile #>> ''{deletion,scheduled_for}'' <= ''2025-02-10'' ORDER BY profile #>> '
    '''{deletion,scheduled_for}'' LIMIT 100';
DO $do$
BEGIN
    PERFORM pgtandem.register_index('unified_profiles', 'idx_profile_deletion',
                                    'USING btree ((profile #>> ''{deletion,scheduled_for}'')) '
                                    'WHERE (profile #>> ''{deletion,scheduled_for}'' IS NOT NULL)',
                                    'SELECT user_id FROM vibelife.unified_profiles WHERE profile '
                                    '#>> ''{deletion,scheduled_for}'' <= ''2025-02-10'' ORDER BY '
                                    'profile #>> ''{deletion,scheduled_for}'' LIMIT 100');
END;
$do$;

-- The planner knows nothing about the values of an expression until then.
ANALYZE vibelife.unified_profiles;
