-- Tests pgtandem:extended_json. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(76);

-- What the session says about times, numbers and bytes does not matter.
SET LOCAL TimeZone = 'Asia/Tokyo';
SET LOCAL DateStyle = 'German, DMY';
SET LOCAL extra_float_digits = 0;
SET LOCAL bytea_output = 'escape';

-- NULL.
SELECT is(pgtandem.mongo_text(v.value), NULL, 'text: ' || v.what)
FROM (VALUES (NULL::jsonb, 'missing'), ('null', 'null'), ('{"$undefined": true}', 'undefined'))
    AS v (value, what);
SELECT ok(pgtandem.mongo_oid('null') IS NULL AND pgtandem.mongo_boolean('null') IS NULL
          AND pgtandem.mongo_integer('null') IS NULL AND pgtandem.mongo_bigint('null') IS NULL
          AND pgtandem.mongo_numeric('null') IS NULL AND pgtandem.mongo_double('null') IS NULL
          AND pgtandem.mongo_time('null') IS NULL AND pgtandem.mongo_uuid('null') IS NULL
          AND pgtandem.mongo_bytea('null') IS NULL, 'a null of any type');

-- Texts, ObjectIds, booleans.
SELECT is(pgtandem.mongo_text('"小 \"🔮\" é"'), '小 "🔮" é', 'a string');
SELECT is(pgtandem.mongo_text('""'), '', 'an empty one');
SELECT is(pgtandem.mongo_text('{"$symbol": "s"}'), 's', 'a symbol');
SELECT is(
    pg_temp.error_of($$ SELECT pgtandem.mongo_text('5') $$),
    ARRAY['TD085', 'the value 5 of a document is no text',
          'It is of another kind, or the type cannot hold it exactly.',
          'Let the mapping name a type that holds it, or mend the document.'],
    'TD085: a number is no string'
);
SELECT is(pgtandem.mongo_oid('{"$oid": "5CA4bbcea2dd94ee58162a68"}'), '5ca4bbcea2dd94ee58162a68',
          'an ObjectId');
SELECT is((pg_temp.error_of(format('SELECT pgtandem.mongo_oid(%L)', v)))[2],
          format('the value %s of a document is no ObjectId', v::jsonb), 'no ObjectId: ' || v)
FROM unnest(ARRAY['{"$oid": "5ca4"}', '"5ca4bbcea2dd94ee58162a68"',
                  '{"$oid": "5ca4bbcea2dd94ee58162a68", "a": 1}']) AS v;
SELECT is(pgtandem.mongo_boolean('true'), true, 'true');
SELECT is(pgtandem.mongo_boolean('false'), false, 'false');
SELECT is((pg_temp.error_of(format('SELECT pgtandem.mongo_boolean(%L)', v)))[1], 'TD085',
          'no boolean: ' || v)
FROM unnest(ARRAY['1', '"true"', '{"$numberInt": "1"}']) AS v;

-- Numbers.
SELECT is(pgtandem.mongo_integer(v::jsonb), 3, 'an integer: ' || v)
FROM unnest(ARRAY['3', '3.0', '{"$numberInt": "3"}', '{"$numberLong": "3"}',
                  '{"$numberDouble": "3.0"}', '{"$numberDecimal": "3E+0"}']) AS v;
SELECT is(pgtandem.mongo_integer('{"$numberInt": "-2147483648"}'), -2147483648, 'the least');
SELECT is((pg_temp.error_of(format('SELECT pgtandem.mongo_integer(%L)', v)))[1], 'TD085',
          'no integer: ' || v)
FROM unnest(ARRAY['1.5', '2147483648', '"3"', '{"$numberDouble": "NaN"}', '{"$numberInt": "x"}',
                  '{"$numberInt": "3", "a": 1}', '{"$numberDecimal": "-Infinity"}', '[3]',
                  '{"$numberInt": "99999999999999999999"}']) AS v;
SELECT is(pgtandem.mongo_bigint('{"$numberLong": "-9223372036854775808"}'),
          -9223372036854775808, 'a bigint');
SELECT is((pg_temp.error_of($$ SELECT pgtandem.mongo_bigint('9223372036854775808') $$))[1],
          'TD085',
          'one too many');
SELECT is(pgtandem.mongo_numeric('{"$numberDecimal": "1234567890.123456789012345678901234"}'),
          1234567890.123456789012345678901234, 'a numeric keeps all digits');
SELECT is(pgtandem.mongo_numeric('{"$numberDecimal": "NaN"}'), 'NaN', 'and NaN');
SELECT is(pgtandem.mongo_numeric('{"$numberDecimal": "0E-6176"}')::text, '0.' || repeat('0', 6176),
          'the least exponent');
SELECT is(pgtandem.mongo_double('0.1'), 0.1::double precision, 'a double');
SELECT is(pgtandem.mongo_double('{"$numberDouble": "5e-324"}')::numeric > 0, true,
          'the least');
SELECT is(pgtandem.mongo_double('{"$numberDouble": "-Infinity"}')::text, '-Infinity',
          'an infinity');
SELECT is(pgtandem.mongo_double('{"$numberDouble": "-0.0"}')::text, '-0', 'a negative zero');
SELECT is((pg_temp.error_of(format('SELECT pgtandem.mongo_double(%L)', v)))[1], 'TD085',
          'no double: ' || v)
FROM unnest(ARRAY['9007199254740993', '{"$numberDecimal": "0.12345678901234567890"}',
                  '{"$numberDecimal": "1E+400"}', '{"$numberDecimal": "1E-400"}']) AS v;

-- Times.
SELECT is(pgtandem.mongo_time(v.value::jsonb), v.means, 'a time: ' || v.value)
FROM (VALUES
    ('{"$date": {"$numberLong": "1700000000123"}}', timestamptz '2023-11-14 22:13:20.123+00'),
    ('{"$date": 1700000000123}', '2023-11-14 22:13:20.123+00'),
    ('{"$date": "2023-11-14T22:13:20.123Z"}', '2023-11-14 22:13:20.123+00'),
    ('{"$date": "2023-11-15T07:13:20.123+0900"}', '2023-11-14 22:13:20.123+00'),
    ('"2024-02-29T12:00+01:00"', '2024-02-29 11:00:00+00'),
    ('{"$date": {"$numberLong": "-1"}}', '1969-12-31 23:59:59.999+00'),
    ('{"$date": {"$numberLong": "9224318015999999"}}', '294276-12-31 23:59:59.999+00'),
    ('{"$date": {"$numberLong": "-210866803200000"}}', '4714-11-24 00:00:00+00 BC')
) AS v (value, means);
SELECT is((pg_temp.error_of(format('SELECT pgtandem.mongo_time(%L)', v)))[1], 'TD085',
          'no time: ' || v)
FROM unnest(ARRAY['{"$date": {"$numberLong": "9224318016000000"}}', '1700000000123',
                  '{"$date": "2023-02-29T00:00:00Z"}', '"2024-02-29T12:00:00"', '"1700000000123"',
                  '{"$date": 1.5}', '{"$date": "x"}']) AS v;

-- Bytes.
SELECT is(pgtandem.mongo_uuid(v::jsonb), '73ffd264-44b3-4c69-90e8-e7d1dfc035d4', 'a UUID: ' || v)
FROM unnest(ARRAY['{"$uuid": "73FFD264-44b3-4c69-90e8-e7d1dfc035d4"}',
                  '{"$binary": {"base64": "c//SZESzTGmQ6OfR38A11A==", "subType": "04"}}',
                  '{"$binary": "c//SZESzTGmQ6OfR38A11A==", "$type": "04"}',
                  '"73ffd264-44b3-4c69-90e8-e7d1dfc035d4"']) AS v;
SELECT is((pg_temp.error_of(format('SELECT pgtandem.mongo_uuid(%L)', v)))[1], 'TD085',
          'no UUID: ' || v)
FROM unnest(ARRAY['{"$binary": {"base64": "c//SZESzTGmQ6OfR38A11A==", "subType": "03"}}',
                  '{"$binary": {"base64": "AAEC", "subType": "04"}}']) AS v;
SELECT is(pgtandem.mongo_bytea(v::jsonb), '\x000102', 'bytes: ' || v)
FROM unnest(ARRAY['{"$binary": {"base64": "AAEC", "subType": "00"}}',
                  '{"$binary": "AAEC", "$type": "0"}']) AS v;
SELECT is((pg_temp.error_of(format('SELECT pgtandem.mongo_bytea(%L)', v)))[1], 'TD085',
          'no bytes: ' || v)
FROM unnest(ARRAY['"AAEC"', '{"$binary": {"base64": "A", "subType": "00"}}']) AS v;

-- What is usual takes no call of ours: PostgreSQL writes the functions into the query.
CREATE FUNCTION pg_temp.plan_of(p_query text) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    v_plan json;
BEGIN
    EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) ' || p_query INTO v_plan;
    RETURN v_plan::text;
END;
$$;
SELECT unalike(
    pg_temp.plan_of(format('SELECT pgtandem.%I(v.v) FROM (SELECT to_jsonb(n) FROM '
                           'generate_series(1, 3) AS n) AS v (v)', f)),
    '%pgtandem.mongo\_%', f || ' is inlined'
)
FROM unnest(ARRAY['mongo_text', 'mongo_boolean', 'mongo_integer', 'mongo_numeric',
                  'mongo_time']) AS f;

SELECT * FROM finish();
ROLLBACK;
