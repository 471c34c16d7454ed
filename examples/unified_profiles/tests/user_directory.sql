-- Tests unified_profiles:user_directory. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(4);

SELECT results_eq(
    $$ SELECT id, display_name, email FROM vibelife.user_directory ORDER BY id $$,
    $$ SELECT id, display_name, email FROM vibelife.vibe_users WHERE deleted_at IS NULL
       ORDER BY id $$,
    'the view shows what it showed before'
);
SELECT columns_are('vibelife', 'user_directory', ARRAY[
    'id', 'vibe_id', 'display_name', 'email', 'status', 'created_at'
]);
SELECT col_type_is('vibelife', 'user_directory', 'display_name', 'character varying(100)', NULL);
SELECT isnt(
    obj_description('vibelife.user_directory'::regclass, 'pg_class'), NULL, 'its comment is kept'
);

SELECT * FROM finish();

ROLLBACK;
