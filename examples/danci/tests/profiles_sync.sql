-- Tests danci:profiles_sync, right after it: the copy is open. Changes nothing; needs pgTAP in the
-- search path.

BEGIN;

SELECT plan(8);

CREATE FUNCTION pg_temp.drained() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_batch record;
    v_keys  bigint := 0;
BEGIN
    LOOP
        SELECT * INTO v_batch FROM pgtandem._drain_batch('profiles');
        v_keys := v_keys + v_batch.settled;
        EXIT WHEN NOT v_batch.more;
    END LOOP;
    RETURN v_keys;
END;
$$;

SELECT results_eq(
    $$ SELECT phase, copy_state, copy_strategy FROM pgtandem.mapping WHERE name = 'profiles' $$,
    $$ VALUES ('sync', 'open', 'overwrite') $$,
    'the sync is on, the copy open'
);

INSERT INTO danci.users (id, name)
SELECT format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, 'test'
  FROM generate_series(1, 3) AS n;
INSERT INTO danci.user_learning_profiles (user_id, attention, theta, updated_at)
VALUES ('00000000-0000-4000-8000-000000000002', 0.5, 1.5, '2025-01-01'),
       ('00000000-0000-4000-8000-000000000003', 0.5, 1.5, '2025-01-03');
INSERT INTO danci.amas_user_states (user_id, attention, updated_at)
SELECT id, 0.25, '2025-01-02' FROM danci.users WHERE name = 'test';
SELECT is(
    (SELECT count(*) FROM pgtandem.recheck WHERE mapping = 'profiles'), 3::bigint,
    'a write only queues its learner'
);
SELECT is(pg_temp.drained(), 3::bigint, 'which a drain settles');
SELECT results_eq(
    $$ SELECT attention, theta FROM danci.user_learning_profiles
        WHERE user_id::text LIKE '00000000-0000-4000-8000-%' ORDER BY user_id $$,
    $$ VALUES (0.25::float8, 0::float8), (0.25, 1.5), (0.5, 1.5) $$,
    'a missing profile comes, an older one follows but for what is its own, a newer one stays'
);
DELETE FROM danci.amas_user_states WHERE user_id = '00000000-0000-4000-8000-000000000001';
SELECT pg_temp.drained();
SELECT is(
    (SELECT count(*) FROM danci.user_learning_profiles
      WHERE user_id = '00000000-0000-4000-8000-000000000001'), 1::bigint,
    'a state that goes leaves its profile'
);
SELECT throws_ok(
    'TRUNCATE danci.amas_user_states', 'TD014', NULL, 'TD014: TRUNCATE of the source'
);
SELECT ok(
    NOT has_function_privilege('old_app', f.oid, 'EXECUTE')
    AND NOT has_function_privilege('new_app', f.oid, 'EXECUTE'),
    format('no application may call %s', f.oid)
)
  FROM (VALUES ('pgtandem_profiles.settle(jsonb)'::regprocedure),
               ('pgtandem_profiles.copy_chunk(regclass, bigint, bigint, text)')) AS f (oid);

SELECT * FROM finish();

ROLLBACK;
