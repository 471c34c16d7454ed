-- Tests pgtandem:document. Changes nothing; needs pgTAP in the search path. Documents as targets of
-- a mapping: tests/test_documents.py.
\ir ../error_of.sql

BEGIN;

SELECT plan(33);

SET LOCAL TimeZone = 'Asia/Tokyo';
SELECT is(pgtandem.json_of('2024-01-01 09:00:00+09'), '"2024-01-01T00:00:00+00:00"',
          'an instant in UTC');
SELECT is(pgtandem.json_of('2024-01-01 09:00:00.120+09'), '"2024-01-01T00:00:00.12+00:00"',
          'with a fraction');
SELECT is(pgtandem.json_of('infinity'), '"infinity"', 'infinity');
SELECT is((pgtandem.json_of('0044-03-15 00:00:00+00 BC') #>> '{}')::timestamptz,
          '0044-03-15 00:00:00+00 BC', 'before Christ, there and back');
SELECT is(pgtandem.json_of(NULL), NULL, 'NULL');

CREATE FUNCTION pg_temp.same(p_one text, p_other text) RETURNS boolean
LANGUAGE sql
AS $$ SELECT pgtandem.same_time(to_jsonb(p_one), to_jsonb(p_other)) $$;

SELECT ok(pg_temp.same('2024-01-01T00:00:00+00:00', '2024-01-01T08:00:00+08:00'), 'other zones');
SELECT ok(pg_temp.same('2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00Z'), 'Z');
SELECT ok(pg_temp.same('2024-01-01T00:00:00.5+00:00', '2024-01-01 00:00:00.500000+00'),
          'digits, T or space');
SELECT ok(pg_temp.same('12:34:00', '12:34'), 'no seconds');
SELECT ok(pg_temp.same('2024-01-01T12:34:00', '2024-01-01T12:34'), 'no seconds after a date');
SELECT ok(pg_temp.same('2024-01-01T12:34:00+00:00', '2024-01-01T12:34Z'), 'nor before a zone');
SELECT ok(NOT pg_temp.same('2024-01-01T00:00:00+00:00', '2024-01-01T00:00:01Z'), 'another instant');
SELECT ok(NOT pg_temp.same('2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00'),
          'with a zone and without: nobody knows');
SELECT ok(NOT pg_temp.same('2024-01-01', '2024-01-01T00:00:00'), 'a date is no timestamp');
SELECT ok(NOT pg_temp.same('2024-02-30', '2024-03-01'), 'no date');
SELECT ok(NOT pg_temp.same('x', 'x'), 'nor this');
SELECT ok(NOT pgtandem.same_time('1', '{"a": []}'), 'nor other JSON');
SELECT is(pgtandem.same_time(NULL, '"2024-01-01"'), false, 'one NULL');
SELECT is(pgtandem.same_time(NULL, NULL), false, 'two');

SELECT is(pgtandem.array_of('["a,b", null, 1]'), '{"a,b",NULL,1}', 'the elements of an array');
SELECT is(pgtandem.array_of('[]'), '{}', 'of which there may be none');
SELECT is(pgtandem.array_of('null'), NULL, 'a JSON null is NULL');
SELECT is(pgtandem.array_of(NULL), NULL, 'as NULL is');
SELECT is((pg_temp.error_of($$ SELECT pgtandem.array_of('{"a": 1}') $$))[1], '22P02', 'an object');

SELECT is(pgtandem.as_object('{"a": 1}', '{d}'), '{"a": 1}', 'an object as it is');
SELECT is(pgtandem.as_object(NULL, '{d}'), '{}', 'a missing one is made');
SELECT is(pgtandem.as_object('null', '{d}'), '{}', 'as for a JSON null');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.as_object('[1, 2]', '{profile,account}') $$),
    ARRAY['TD029', 'profile.account of the document is no object, so nothing can be stored in it',
          'It is array: [1, 2]', 'Nothing was overwritten. Make it an object, or null, or let the '
          'mapping name another path.'],
    'TD029: an array'
);
SELECT is((pg_temp.error_of($$ SELECT pgtandem.as_object('3', '{d}') $$))[1], 'TD029', 'a scalar');

SELECT function_privs_are('pgtandem', f.name, f.arguments, 'public', ARRAY['EXECUTE'],
                          'triggers and comparisons of any role use ' || f.name)
FROM (VALUES ('json_of', ARRAY['timestamp with time zone']), ('same_time', ARRAY['jsonb', 'jsonb']),
             ('array_of', ARRAY['jsonb']), ('as_object', ARRAY['jsonb', 'text[]']))
    AS f (name, arguments);

SELECT * FROM finish();
ROLLBACK;
