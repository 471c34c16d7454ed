-- Tests pgtandem:rollout. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(38);

SELECT col_is_pk('pgtandem', 'flag', 'name', 'a flag is found by its name');
SELECT col_is_pk('pgtandem', 'flag_user', ARRAY['flag', 'user_id'], 'a user by flag and user');
SELECT has_index('pgtandem', 'flag_change', 'flag_change_flag_idx', ARRAY['flag', 'id'],
                 'the history by its flag');
SELECT columns_are(
    'pgtandem', 'rollout_status',
    ARRAY['flag', 'state', 'percentage', 'allowed', 'denied', 'cohorts', 'stages', 'changed_at',
          'changed_by']
);

-- Nothing but the functions' own states gets in.
SELECT throws_ok(
    format('INSERT INTO pgtandem.flag (name, state, percentage) VALUES (%L, %L, %L)',
           f.name, f.state, f.percentage),
    '23514', NULL, format('no flag %L that is %s at %s', left(f.name, 9), f.state, f.percentage)
)
FROM (VALUES ('', 'on', 100), (repeat('x', 501), 'on', 100), ('a', 'perhaps', 0), ('a', 'on', 99),
             ('a', 'off', 1), ('a', 'percentage', -1), ('a', 'percentage', 101))
     AS f (name, state, percentage);

-- bucket: int(hashlib.md5(user.encode()).hexdigest(), 16) % 100, as Python computed it
SELECT is(pgtandem.bucket(v.user_id), v.bucket, format('the bucket of %L', left(v.user_id, 40)))
FROM (VALUES
    ('', 66), ('0', 50), ('1', 11), ('42', 74), ('user-1', 20), (' a ', 43), ('-1', 92),
    ('123e4567-e89b-12d3-a456-426614174000', 32), ('123E4567-E89B-12D3-A456-426614174000', 90),
    ('Müller', 87), ('林黛玉', 78), ('🦊', 95), ('o''neil "x"', 77), ('9223372036854775807', 39),
    (repeat('x', 3000), 53)
) AS v (user_id, bucket);
SELECT is(pgtandem.bucket(NULL), NULL, 'nobody has no bucket');

-- Every state, list, cohort and side of the percentage with each other.
CREATE SCHEMA app;
CREATE FUNCTION app.is_in(p_user text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN p_user LIKE '% in %' OR p_user IS NULL THEN true END $$;

CREATE TEMPORARY TABLE flags AS
SELECT state || ' ' || percentage AS name, state, percentage
FROM (VALUES ('off', 0), ('on', 100), ('percentage', 0), ('percentage', 50), ('percentage', 100))
     AS s (state, percentage);
SELECT pgtandem.set_flag(name, CASE state WHEN 'percentage' THEN percentage::text ELSE state END)
FROM flags;
SELECT pgtandem.add_cohort(name, 'app.is_in') FROM flags;
CREATE TEMPORARY TABLE users AS
SELECT DISTINCT ON (list, cohort, side)
       list, cohort, side, concat_ws(' ', list, cohort, side, n) AS user_id
FROM unnest(ARRAY['allow', 'deny', 'none']) AS list, unnest(ARRAY['in', 'out']) AS cohort,
     unnest(ARRAY['under', 'over']) AS side, generate_series(1, 99) AS n
WHERE (pgtandem.bucket(concat_ws(' ', list, cohort, side, n)) < 50) = (side = 'under')
ORDER BY list, cohort, side, n;
SELECT pgtandem.set_flag_users(f.name, u.list, ARRAY[u.user_id]) FROM flags AS f, users AS u;
CREATE TEMPORARY VIEW asked AS
SELECT f.name, f.state, f.percentage, u.list, u.cohort, u.side, u.user_id,
       pgtandem.enabled(f.name, u.user_id) AS enabled, pgtandem.flag_rule(f.name, u.user_id) AS rule
FROM flags AS f, users AS u;
SELECT is((SELECT count(*) FROM asked), 60::bigint, 'there are sixty cases');
SELECT is_empty(
    $$ SELECT * FROM asked
       WHERE enabled IS DISTINCT FROM (
           state <> 'off' AND list <> 'deny'
           AND (list = 'allow' OR state = 'on' OR cohort = 'in'
                OR percentage = 100 OR percentage = 50 AND side = 'under')) $$,
    'in each of them it is on or off as it should be'
);
SELECT set_eq(
    $$ SELECT DISTINCT state, list,
              CASE WHEN list = 'none' AND state = 'percentage' THEN cohort END AS cohort,
              CASE WHEN list = 'none' AND state = 'percentage' AND cohort = 'out'
                   THEN percentage || side END AS side,
              rule
       FROM asked $$,
    $$ VALUES
        ('off', 'allow', NULL, NULL, 'off'),
        ('off', 'deny', NULL, NULL, 'off'),
        ('off', 'none', NULL, NULL, 'off'),
        ('on', 'allow', NULL, NULL, 'allow'),
        ('on', 'deny', NULL, NULL, 'deny'),
        ('on', 'none', NULL, NULL, 'on'),
        ('percentage', 'allow', NULL, NULL, 'allow'),
        ('percentage', 'deny', NULL, NULL, 'deny'),
        ('percentage', 'none', 'in', NULL, 'cohort app.is_in'),
        ('percentage', 'none', 'out', '0under', 'outside'),
        ('percentage', 'none', 'out', '0over', 'outside'),
        ('percentage', 'none', 'out', '50under', 'percentage'),
        ('percentage', 'none', 'out', '50over', 'outside'),
        ('percentage', 'none', 'out', '100under', 'percentage'),
        ('percentage', 'none', 'out', '100over', 'percentage') $$,
    'and the first rule in the order off, deny, allow, on, cohort, percentage says so'
);

-- enabled, as applications call it
SELECT results_eq(
    $$ SELECT name, pgtandem.enabled(name), pgtandem.enabled(name, NULL) FROM flags
       ORDER BY name $$,
    $$ SELECT name, state = 'on', state = 'on' FROM flags ORDER BY name $$,
    'without a user it is on where it is on for everybody'
);
SELECT results_eq(
    $$ SELECT pgtandem.enabled('none', '1'), pgtandem.enabled(NULL, '1'), pgtandem.enabled('none'),
              pgtandem.flag_rule('none', '1') $$,
    $$ VALUES (false, false, false, 'unknown') $$,
    'a flag that nobody knows is off'
);
SELECT pgtandem.set_flag('forms', 0);
SELECT pgtandem.set_flag_users('forms', 'allow', '{42,123e4567-e89b-12d3-a456-426614174000}');
SELECT results_eq(
    $$ SELECT pgtandem.enabled('forms', 42), pgtandem.enabled('forms', 42::smallint),
              pgtandem.enabled('forms', 42::bigint), pgtandem.enabled('forms', '42'::varchar),
              pgtandem.enabled('forms', uuid '123E4567-E89B-12D3-A456-426614174000'),
              pgtandem.enabled('forms', '123E4567-E89B-12D3-A456-426614174000') $$,
    $$ VALUES (true, true, true, true, true, false) $$,
    'numbers and UUIDs need no cast; a UUID counts in its canonical form, a text as it is'
);
SELECT results_eq(
    $$ SELECT provolatile::text, proparallel::text FROM pg_catalog.pg_proc
       WHERE proname = 'enabled' AND pronamespace = 'pgtandem'::regnamespace $$,
    $$ VALUES ('s', 's'), ('s', 's'), ('s', 's') $$,
    'enabled is stable and parallel safe'
);

-- rollout_status
SELECT results_eq(
    $$ SELECT flag, state, percentage, allowed, denied, cohorts, stages
       FROM pgtandem.rollout_status WHERE flag IN ('on 100', 'off 0', 'percentage 50', 'forms')
       ORDER BY flag COLLATE "C" $$,
    $$ VALUES
        ('forms', 'percentage', 0::numeric, 2::bigint, 0::bigint, '{}'::text[],
         '{1,5,20,100}'::integer[]),
        ('off 0', 'off', 0, 4, 4, '{app.is_in}', '{1,5,20,100}'),
        ('on 100', 'on', 100, 4, 4, '{app.is_in}', '{1,5,20,100}'),
        ('percentage 50', 'percentage', 50, 4, 4, '{app.is_in}', '{1,5,20,100}') $$,
    'rollout_status shows where each flag is'
);
SELECT results_eq(
    $$ SELECT DISTINCT changed_by, changed_at BETWEEN now() AND clock_timestamp()
       FROM pgtandem.rollout_status $$,
    $$ VALUES (session_user::text COLLATE "default", true) $$,
    'and who changed it last, when'
);

-- The indexes are enough, however many users and flags there are.
SELECT pgtandem.set_flag_users('forms', 'allow', ARRAY(SELECT n::text
                                                       FROM generate_series(1, 20000) AS n));
INSERT INTO pgtandem.flag (name, state, percentage)
SELECT 'flag ' || n, 'off', 0 FROM generate_series(1, 2000) AS n;
ANALYZE pgtandem.flag, pgtandem.flag_user;
CREATE FUNCTION pg_temp.plan_of(p_query text) RETURNS SETOF text
LANGUAGE plpgsql
AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS off) ' || p_query; END $$;
SELECT matches(
    (SELECT string_agg(p, ' ') FROM pg_temp.plan_of(
        $$ SELECT list FROM pgtandem.flag_user WHERE flag = 'forms' AND user_id = '7' $$) AS p),
    'Index (Only )?Scan using flag_user_pkey', 'a user is found by index'
);
SELECT matches(
    (SELECT string_agg(p, ' ') FROM pg_temp.plan_of(
        $$ SELECT state FROM pgtandem.flag WHERE name = 'forms' $$) AS p),
    'Index Scan using flag_pkey', 'and a flag'
);

SELECT * FROM finish();

ROLLBACK;
