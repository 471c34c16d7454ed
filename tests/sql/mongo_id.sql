-- Tests pgtandem:mongo_id. Changes nothing; needs pgTAP in the search path.

BEGIN;

SELECT plan(18);

-- Each in one spelling, whatever form it came in.
SELECT is(pgtandem.mongo_canonical(v.given::jsonb), v.expected::jsonb, v.given)
  FROM (VALUES
    ('5', '{"$numberInt": "5"}'),
    ('5.0', '{"$numberInt": "5"}'),
    ('{"$numberLong": "5"}', '{"$numberInt": "5"}'),
    ('{"$numberDecimal": "5.00"}', '{"$numberInt": "5"}'),
    ('3000000000', '{"$numberLong": "3000000000"}'),
    ('1.5', '{"$numberDouble": "1.5"}'),
    ('{"$numberDecimal": "1.50"}', '{"$numberDecimal": "1.5"}'),
    ('{"$numberDouble": "NaN"}', '{"$numberDouble": "NaN"}'),
    ('{"$oid": "5F0000000000000000000ABC"}', '{"$oid": "5f0000000000000000000abc"}'),
    ('{"$date": "1970-01-01T00:00:01.5Z"}', '{"$date": {"$numberLong": "1500"}}'),
    ('{"$date": 1500}', '{"$date": {"$numberLong": "1500"}}'),
    ('{"$binary": "AQI=", "$type": "0"}', '{"$binary": {"base64": "AQI=", "subType": "00"}}'),
    ('{"$uuid": "00000000-0000-4000-8000-000000000001"}',
     '{"$binary": {"base64": "AAAAAAAAQACAAAAAAAAAAQ==", "subType": "04"}}'),
    ('[1, {"a": 2}]', '[{"$numberInt": "1"}, {"a": {"$numberInt": "2"}}]'),
    ('{"$regex": "a", "$options": "i"}',
     '{"$regularExpression": {"pattern": "a", "options": "i"}}')
  ) AS v (given, expected);
SELECT throws_ok(
    $$ SELECT pgtandem.mongo_canonical('{"$numberInt": "x"}') $$, '22P02', NULL,
    'what is no value of BSON is an error'
);
SELECT results_eq(
    $$ SELECT pgtandem.mongo_id('"abc"'),
              pgtandem.mongo_id('{"$oid": "5F0000000000000000000ABC"}') $$,
    $$ VALUES ('"abc"', '{"$oid": "5f0000000000000000000abc"}') $$,
    'a text keeps its quotes, so that it is never taken for something else'
);
SELECT is(pgtandem.mongo_id(NULL), NULL, 'NULL is NULL');

SELECT * FROM finish();

ROLLBACK;
