-- Tests pgtandem:cohort. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(29);

CREATE SCHEMA app;
CREATE SCHEMA "A b";
CREATE TABLE app.payment (user_id text);
INSERT INTO app.payment VALUES ('7');
CREATE FUNCTION app.has_paid(p_user text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM app.payment WHERE user_id = p_user) $$;
CREATE FUNCTION "A b"."It's ""new""?"(text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT $1 = 'new';
END;
SELECT pgtandem.set_flag('v5', 0);
SELECT pgtandem.set_flag('v6', 0);

-- add_cohort
SELECT is(pgtandem.enabled('v5', '7'), false, 'without the cohort it is off');
SELECT is(pgtandem.add_cohort('v5', 'app.has_paid', 'they paid'), true, 'a cohort is added');
SELECT is(pgtandem.add_cohort('v5', 'APP.has_paid(text)'), false, 'and is there already');
SELECT is(pgtandem.add_cohort('v5', '"A b"."It''s ""new""?"'), true, 'so is one with an odd name');
SELECT is(
    ARRAY(SELECT pgtandem.flag_rule('v5', u) FROM unnest('{7,new,8}'::text[]) AS u),
    ARRAY['cohort app.has_paid', 'cohort "A b"."It''s ""new""?"', 'outside'],
    'each cohort is asked'
);
SELECT is(pgtandem.enabled('v6', '7'), false, 'for the flags that have it');
SELECT is(
    (SELECT cohorts FROM pgtandem.rollout_status WHERE flag = 'v5'),
    ARRAY['app.has_paid', '"A b"."It''s ""new""?"'], 'rollout_status names them'
);

-- A function that a flag uses stays the one that was looked at.
SELECT throws_ok('DROP FUNCTION app.has_paid', '2BP01', NULL, 'it cannot be dropped');
ALTER FUNCTION app.has_paid RENAME TO had_paid;
CREATE FUNCTION app.has_paid(p_user text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
SELECT is(pgtandem.enabled('v5', '8'), false, 'nor is another one of its name ever called');
SELECT is(pgtandem.enabled('v5', '7'), true, 'and by another name it still serves');
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.add_cohort('v6', '"A b"."It''s ""new""?"') $$))[1:2],
    ARRAY['TD052', 'app.has_paid cannot be a cohort'],
    'until the cohorts change: then the name that is wrong now is told'
);
SELECT lives_ok($$ SELECT pgtandem.drop_flag('v6') $$, 'which keeps nobody from taking some away');
DROP FUNCTION app.has_paid;

-- remove_cohort
SELECT is(pgtandem.remove_cohort('v5', 'app.nothing'), false, 'what is not there is not removed');
SELECT is(pgtandem.remove_cohort('v5', 'app.has_paid', 'all have'), true, 'what is there, is');
SELECT is(
    ARRAY(SELECT pgtandem.enabled('v5', u) FROM unnest('{7,new}'::text[]) AS u),
    '{f,t}', 'the other one stays'
);
SELECT lives_ok('DROP FUNCTION app.had_paid', 'and the function is free');
SELECT results_eq(
    $$ SELECT subject, old, new, reason FROM pgtandem.flag_change
       WHERE flag = 'v5' AND what = 'cohort' ORDER BY id $$,
    $$ VALUES ('app.has_paid', NULL, 'in', 'they paid'),
              ('"A b"."It''s ""new""?"', NULL, 'in', NULL),
              ('app.has_paid', 'in', NULL, 'all have') $$,
    'all of it is in the history'
);

-- DROP ... CASCADE takes the binding along; the flags that have no cohort do not need it.
CREATE FUNCTION app.short_lived(text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog AS 'SELECT true';
SELECT pgtandem.add_cohort('v5', 'app.short_lived');
SET LOCAL client_min_messages = warning;
DROP FUNCTION app.short_lived CASCADE;
RESET client_min_messages;
SELECT pgtandem.set_flag('v7', 100);
SELECT is(pgtandem.enabled('v7', '8'), true, 'a flag without a cohort still answers');
SELECT throws_ok($$ SELECT pgtandem.enabled('v5', '8') $$, '42883', NULL, 'one with does not');
SELECT pgtandem.remove_cohort('v5', 'app.short_lived');
SELECT is(
    ARRAY(SELECT pgtandem.enabled('v5', u) FROM unnest('{8,new}'::text[]) AS u),
    '{f,t}', 'until the cohorts are mended'
);
SELECT pgtandem.drop_flag('v7');

-- what cannot be one
CREATE FUNCTION app.volatile(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION app.number(text) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog AS 'SELECT 1';
CREATE FUNCTION app.of_uuid(uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog AS 'SELECT true';
CREATE FUNCTION pg_temp.gone(text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog AS 'SELECT true';
SELECT is(
    (pg_temp.error_of(format('SELECT pgtandem.add_cohort(%L, %L)', 'v5', c.name)))[1:3],
    ARRAY['TD052', coalesce(c.name, 'NULL') || ' cannot be a cohort', c.why],
    format('TD052: %s', left(c.name, 30))
)
FROM (VALUES
    ('app.volatile', 'It is VOLATILE. It is not PARALLEL SAFE. It does not set its search_path.'),
    ('app.number', 'It does not return a boolean.'),
    ('pg_temp.gone', 'It is temporary.'),
    ('app.of_uuid', 'There is no function of that name with one argument of type text.'),
    ('app.x(text); DROP TABLE app.payment; --',
     'There is no function of that name with one argument of type text.'),
    (NULL, 'There is no function of that name with one argument of type text.')
) AS c (name, why);

-- drop_flag
SELECT pgtandem.set_flag_users('v5', 'allow', '{a}');
SELECT pgtandem.drop_flag('v5', 'done');
SELECT is_empty(
    $$ SELECT name FROM pgtandem.flag UNION ALL SELECT flag FROM pgtandem.flag_user $$,
    'a flag goes with its lists'
);
SELECT results_eq(
    $$ SELECT old, new, reason FROM pgtandem.flag_change
       WHERE flag = 'v5' ORDER BY id DESC LIMIT 1 $$,
    $$ VALUES ('0 %', NULL::text, 'done') $$,
    'its history stays'
);
SELECT is(
    array_agg(DISTINCT (pg_temp.error_of(format('SELECT pgtandem.%s', c.call)))[1]),
    ARRAY['TD050'], 'TD050: an unknown flag'
)
FROM (VALUES ('drop_flag(''v5'')'), ('add_cohort(''v5'', ''app.x'')'),
             ('remove_cohort(''v5'', ''app.x'')')) AS c (call);

SELECT * FROM finish();

ROLLBACK;
