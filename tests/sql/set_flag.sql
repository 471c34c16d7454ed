-- Tests pgtandem:set_flag. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(49);

CREATE FUNCTION pg_temp.changes(p_flag text) RETURNS TABLE (
    what text, subject text, old text, new text, reason text
)
LANGUAGE sql AS $$
    SELECT what, subject, old, new, reason FROM pgtandem.flag_change
    WHERE flag = p_flag ORDER BY id;
$$;

-- set_flag
SELECT results_eq(
    format('SELECT * FROM pgtandem.set_flag(%L, %s)', 'v5', s.given),
    format('SELECT %L::text, %L::text, %L::boolean', s.was, s.becomes, s.lowers),
    format('%s makes %s of %s', s.given, s.becomes, coalesce(s.was, 'nothing'))
)
FROM (VALUES
    ('5', NULL, '5 %', false), ('''5''', '5 %', '5 %', false), ('20.0', '5 %', '20 %', false),
    ('''12 %''', '20 %', '12 %', true), ('''100%''', '12 %', '100 %', false),
    ('''On''', '100 %', 'on', false), ('100', 'on', '100 %', true), ('0', '100 %', '0 %', true),
    ('''off''', '0 %', 'off', true), ('0', 'off', '0 %', false), ('''on''', '0 %', 'on', false),
    ('''OFF''', 'on', 'off', true)
) AS s (given, was, becomes, lowers);
SELECT is(
    (SELECT array_agg(concat_ws('>', old, new) ORDER BY id) FROM pgtandem.flag_change
     WHERE flag = 'v5'),
    '{5 %,5 %>20 %,20 %>12 %,12 %>100 %,100 %>on,on>100 %,100 %>0 %,0 %>off,off>0 %,0 %>on,on>off}',
    'each change is in the history, and what changes nothing is not'
);
SELECT pgtandem.set_flag('v5', 5, 'first users');
SELECT results_eq(
    $$ SELECT what, old, new, reason, role, application, changed_at > now()
       FROM pgtandem.flag_change WHERE flag = 'v5' ORDER BY id DESC LIMIT 1 $$,
    $$ VALUES ('state', 'off', '5 %', 'first users', session_user::text COLLATE "default",
               current_setting('application_name'), true) $$,
    'with who, by what, when and why'
);
SELECT is(
    pg_temp.error_of(format('SELECT pgtandem.set_flag(%L, %s)', 'v5', s.given)),
    ARRAY['TD051', format('"%s" is no state of a flag', s.shown), '',
          'on, off, or a whole percentage from 0 to 100.'],
    format('TD051: %s', s.given)
)
FROM (VALUES ('101', '101'), ('-1', '-1'), ('''true''', 'true'), ('''''', ''), ('NULL', 'NULL'),
             ('''NaN''::numeric', 'NaN'), ('''5 % 5''', '5 % 5'), ('''1e1''', '1e1'))
     AS s (given, shown);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.set_flag('v5', 0.5) $$),
    ARRAY['TD051', '"0.5" is no state of a flag',
          'There are 100 buckets of users, so a part of a percent would switch on as many as a '
          'whole one.', 'on, off, or a whole percentage from 0 to 100.'],
    'TD051: a fraction, and why'
);
SELECT is(
    pg_temp.error_of(format('SELECT pgtandem.set_flag(%L, 5)', f.name)),
    ARRAY['TD053', format('"%s" is no name of a flag', coalesce(left(f.name, 100), 'NULL')), '',
          'A name has 1 to 500 bytes.'],
    format('TD053: %s bytes', octet_length(f.name))
)
FROM (VALUES (''), (repeat('ü', 251)), (NULL)) AS f (name);
SELECT is((SELECT count(*) FROM pg_temp.changes('v5')), 12::bigint, 'an error leaves no trace');

-- next_stage, previous_stage
SELECT pgtandem.set_flag('steps', 'off');
SELECT results_eq(
    format('SELECT * FROM pgtandem.%s(%L)', s.what, 'steps'),
    format('SELECT %L::text, %L::text, %L::boolean', s.was, s.becomes, s.lowers),
    format('%s of %s is %s', s.what, s.was, s.becomes)
)
FROM (VALUES
    ('next_stage', 'off', '1 %', false), ('next_stage', '1 %', '5 %', false),
    ('next_stage', '5 %', '20 %', false), ('previous_stage', '20 %', '5 %', true),
    ('previous_stage', '5 %', '1 %', true), ('previous_stage', '1 %', 'off', true)
) AS s (what, was, becomes, lowers);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.previous_stage('steps') $$),
    ARRAY['TD054', 'the flag "steps" is off: there is no stage before that', '',
          'Nothing was changed.'],
    'TD054: nothing comes before off'
);
SELECT pgtandem.set_stages('steps', '{2,50}', 'fewer');
SELECT pgtandem.set_flag('steps', 30);
SELECT is((pgtandem.next_stage('steps')).becomes, '50 %', 'between two stages: the greater one');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.next_stage('steps') $$),
    ARRAY['TD054', 'the flag "steps" has no stage after 50 %', 'Its stages: 2, 50.',
          'Set it to on, or give it other stages: pgtandem rollout stages'],
    'TD054: nothing comes after the last one'
);
SELECT pgtandem.set_flag('steps', 'on');
SELECT is((pgtandem.previous_stage('steps')).becomes, '50 %', 'before on: the last below 100');

-- set_stages
SELECT results_eq(
    $$ SELECT old, new, reason FROM pg_temp.changes('steps') WHERE what = 'stages' $$,
    $$ VALUES ('1, 5, 20, 100', '2, 50', 'fewer') $$,
    'new stages are in the history'
);
SELECT is(
    array_agg(DISTINCT (pg_temp.error_of(
        format('SELECT pgtandem.set_stages(%L, %s)', 'v5', s.given)))[1]),
    ARRAY['TD051'], 'TD051: stages that do not ascend within 1 and 100'
)
FROM (VALUES ('''{}'''), ('NULL'), ('''{5,1}'''), ('''{5,5}'''), ('''{0}'''), ('''{101}'''),
             ('''{1,NULL}''')) AS s (given);

-- set_flag_users
SELECT is(pgtandem.set_flag_users('v5', 'allow', '{a,b,b}', 'team'), 2::bigint, 'each counts once');
SELECT is(pgtandem.set_flag_users('v5', 'deny', '{b,c}'), 2::bigint, 'one moves, one is new');
SELECT is(
    pgtandem.set_flag_users('v5', 'none', '{c,d}') + pgtandem.set_flag_users('v5', 'deny', '{b}'),
    1::bigint, 'who is there already does not count'
);
SELECT results_eq(
    $$ SELECT user_id, list FROM pgtandem.flag_user WHERE flag = 'v5' ORDER BY 1 $$,
    $$ VALUES ('a', 'allow'), ('b', 'deny') $$,
    'the lists are as they were set'
);
SELECT results_eq(
    $$ SELECT subject, old, new, reason FROM pg_temp.changes('v5') WHERE what = 'user'
       ORDER BY subject, new $$,
    $$ VALUES ('a', NULL, 'allow', 'team'), ('b', NULL, 'allow', 'team'),
              ('b', 'allow', 'deny', NULL), ('c', NULL, 'deny', NULL), ('c', 'deny', NULL, NULL) $$,
    'and each move is in the history'
);
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.set_flag_users('v5', 'perhaps', '{a}') $$),
    ARRAY['TD053', '"perhaps" is no list of a flag', '', 'allow, deny or none.'],
    'TD053: no list'
);
SELECT is(
    pg_temp.error_of(format('SELECT pgtandem.set_flag_users(%L, %L, ARRAY[%L, %L])', 'v5', 'allow',
                            'new', u.user_id)),
    ARRAY['TD053', format('"%s" is no user', coalesce(left(u.user_id, 100), 'NULL')),
          'Nobody was listed.', 'A user is a text of 1 to 1000 bytes.'],
    format('TD053: %s bytes', octet_length(u.user_id))
)
FROM (VALUES (''), (repeat('x', 1001)), (NULL)) AS u (user_id);

-- an unknown flag
SELECT is(
    array_agg(DISTINCT pg_temp.error_of(format('SELECT pgtandem.%s', c.call))),
    ARRAY[ARRAY['TD050', 'there is no flag "none"', 'Flags: steps, v5.',
                'Mend the name, or make the flag: pgtandem rollout set NAME PERCENTAGE']],
    'TD050: an unknown flag'
)
FROM (VALUES ('next_stage(''none'')'), ('previous_stage(''none'')'),
             ('set_stages(''none'', ''{1}'')'),
             ('set_flag_users(''none'', ''allow'', ''{a}'')')) AS c (call);

SELECT * FROM finish();

ROLLBACK;
