-- Tests pgtandem:mongo_document. Changes nothing; needs pgTAP in the search path.
\ir ../error_of.sql

BEGIN;

SELECT plan(80);

SET LOCAL TimeZone = 'Asia/Tokyo';
SET LOCAL DateStyle = 'German, DMY';
SET LOCAL extra_float_digits = 0;

-- Identifiers.
SELECT is(pgtandem.mongo_id_uuid('{"$oid": "5ca4bbcea2dd94ee58162a68"}'),
          'e7ef6ff7-c407-8850-bc5c-0bc75c1e065d', 'the same at each import, on each server');
SELECT is(pgtandem.mongo_id_uuid('"小"'), '94c3f677-5b3a-8648-bba0-347b06d9d24e', 'any _id');
SELECT is(pgtandem.mongo_id_uuid(NULL), NULL, 'NULL');
SELECT is(count(DISTINCT u.id) FILTER (WHERE u.id::text ~ '^.{14}8.{4}[89ab]'), 1000::bigint,
          'a thousand, of version 8')
FROM (SELECT pgtandem.mongo_id_uuid(to_jsonb(n)::text) AS id
      FROM generate_series(1, 1000) AS n) AS u;
SELECT is(pgtandem.mongo_id_time('{"$oid": "5ca4bbcea2dd94ee58162a68"}'),
          '2019-04-03 13:57:34+00', 'an ObjectId knows its time');
SELECT is(pgtandem.mongo_id_time('{"$oid": "ffffffffa2dd94ee58162a68"}'),
          '2106-02-07 06:28:15+00', 'the last');
SELECT is(pgtandem.mongo_id_time('"5ca4bbcea2dd94ee58162a68"'), NULL, 'a string does not');

-- Arrays.
SELECT is(pgtandem.mongo_array('[{"$numberInt": "1"}, null, 3.0]', 'integer')::integer[],
          '{1,NULL,3}', 'an array of integers');
SELECT is(pgtandem.mongo_array('["a, {\"", null, ""]', 'text'), ARRAY['a, {"', NULL, ''],
          'of texts');
SELECT is(pgtandem.mongo_array('[{"$oid": "5ca4bbcea2dd94ee58162a68"}]', 'oid'),
          ARRAY['5ca4bbcea2dd94ee58162a68'], 'of ObjectIds');
SELECT is(pgtandem.mongo_array('[{"a": {"$numberInt": "1"}}, null]', 'jsonb')::jsonb[],
          ARRAY['{"a": 1}', NULL]::jsonb[], 'of documents');
SELECT is(pgtandem.mongo_array('[]', 'text'), '{}', 'an empty one');
SELECT is(pgtandem.mongo_array('null', 'text'), NULL, 'null');
SELECT is((pg_temp.error_of($$ SELECT pgtandem.mongo_array('["a", 1]', 'text') $$))[1:2],
          ARRAY['TD085', 'the value 1 of a document is no text'], 'TD085: an element');
SELECT is((pg_temp.error_of($$ SELECT pgtandem.mongo_array('"a"', 'text') $$))[1:2],
          ARRAY['TD085', 'the value "a" of a document is no array'], 'TD085: no array');

-- Back.
SELECT is(pgtandem.mongo_date(v.value), v.means, 'a date: ' || v.value)
FROM (VALUES
    (timestamptz '2024-02-29 00:00:00+00', jsonb '{"$date": "2024-02-29T00:00:00Z"}'),
    ('2024-02-29 00:00:00.0309+00', '{"$date": "2024-02-29T00:00:00.030Z"}'),
    ('9999-12-31 23:59:59.999+00', '{"$date": "9999-12-31T23:59:59.999Z"}'),
    ('10000-01-01 00:00:00+00', '{"$date": {"$numberLong": "253402300800000"}}'),
    ('2024-02-29 00:00:00.0009+00', '{"$date": "2024-02-29T00:00:00Z"}'),
    ('1969-12-31 23:59:59.9999+00', '{"$date": {"$numberLong": "-1"}}'),
    ('-infinity', '{"$date": {"$numberLong": "-9223372036854775808"}}')
) AS v (value, means);
SELECT is(pgtandem.mongo_date(NULL), NULL, 'no date');
SELECT is(pgtandem.mongo_decimal(1.10), '{"$numberDecimal": "1.10"}', 'a decimal');
SELECT is(pgtandem.mongo_decimal(NULL), NULL, 'none');
SELECT is(pgtandem.mongo_number(0.1::double precision), '0.1', 'a double');
SELECT is(pgtandem.mongo_number('NaN'::double precision), '{"$numberDouble": "NaN"}', 'NaN');
SELECT is(pgtandem.mongo_number('-0'::double precision), '{"$numberDouble": "-0.0"}', '-0');
SELECT is(pgtandem.mongo_number(1.50::numeric), '1.50', 'a numeric');
SELECT is(pgtandem.mongo_number('Infinity'::numeric), '{"$numberDouble": "Infinity"}', 'infinity');
SELECT is(pgtandem.mongo_binary('\x000102'), '{"$binary": {"base64": "AAEC", "subType": "00"}}',
          'bytes');
SELECT is(pgtandem.mongo_bytea(pgtandem.mongo_binary(decode(repeat('ab', 300), 'hex'))),
          decode(repeat('ab', 300), 'hex'), 'many bytes, there and back');
SELECT is(pgtandem.mongo_oids('{a,NULL}'), '[{"$oid": "a"}, null]', 'ObjectIds');
SELECT is(pgtandem.mongo_oids('{}'), '[]', 'none of them');
SELECT is(pgtandem.mongo_oids(NULL), NULL, 'no array');

-- One form for all.
SELECT is(pgtandem.mongo_json(v.value::jsonb), v.means::jsonb, 'in one form: ' || v.value)
FROM (VALUES
    ('{"a": [{"$numberInt": "5"}, {"$numberDouble": "0.5"}]}', '{"a": [5, 0.5]}'),
    ('{"a": {"$numberDouble": "NaN"}}', '{"a": {"$numberDouble": "NaN"}}'),
    ('[{"$numberDouble": "-0.0"}, {"$numberLong": "9007199254740993"}]',
     '[{"$numberDouble": "-0.0"}, 9007199254740993]'),
    ('{"$date": 1700000000000}', '{"$date": "2023-11-14T22:13:20Z"}'),
    ('{"$date": {"$numberLong": "9223372036854775807"}}',
     '{"$date": {"$numberLong": "9223372036854775807"}}'),
    ('{"$uuid": "73ffd264-44b3-4c69-90e8-e7d1dfc035d4"}',
     '{"$binary": {"base64": "c//SZESzTGmQ6OfR38A11A==", "subType": "04"}}'),
    ('{"$binary": "AAEC", "$type": "5"}', '{"$binary": {"base64": "AAEC", "subType": "05"}}'),
    ('{"$regex": "a", "$options": "i"}',
     '{"$regularExpression": {"pattern": "a", "options": "i"}}'),
    ('{"$oid": "5CA4bbcea2dd94ee58162a68"}', '{"$oid": "5ca4bbcea2dd94ee58162a68"}'),
    ('{"$numberInt": "x", "b": {"$numberInt": "y"}}',
     '{"$numberInt": "x", "b": {"$numberInt": "y"}}'),
    ('{"$numberDecimal": "1.10"}', '{"$numberDecimal": "1.10"}'),
    ('{"a": {}, "b": [], "c": null}', '{"a": {}, "b": [], "c": null}')
) AS v (value, means);
SELECT is(pgtandem.mongo_json(NULL), NULL, 'NULL');

-- What a column cannot hold, or could not give back.
SELECT is(pgtandem.mongo_flaw(v.value::jsonb, v.type, v.bson), v.flaw,
          format('%s as %s of %s', v.value, v.type, v.bson))
FROM (VALUES
    ('"a"', 'text', 'string', NULL),
    ('1', 'text', 'string', 'no string'),
    ('{"$oid": "5ca4"}', 'text', 'objectId', 'not to be held exactly by text'),
    ('"5ca4bbcea2dd94ee58162a68"', 'text', 'objectId', 'no objectId'),
    ('1.5', 'integer', 'number', 'not to be held exactly by integer'),
    ('{"$numberDecimal": "1"}', 'integer', 'number', 'no number'),
    ('{"$numberInt": "1", "a": 1}', 'integer', 'number', 'no number'),
    ('["a", null, 1]', 'text[]', 'string', 'an element: no string'),
    ('1', 'jsonb[]', 'json', 'no array'),
    ('"AAAAAAAA-44b3-4c69-90e8-e7d1dfc035d4"', 'uuid', 'string', 'another spelling'),
    ('"2024-02-29T00:00:00Z"', 'timestamptz', 'date', 'no date'),
    ('{"$binary": {"base64": "AAEC", "subType": "05"}}', 'bytea', 'binary', 'no binary'),
    (NULL, 'integer', 'number', NULL),
    ('{"$numberDouble": "-0.0"}', 'integer', 'number', 'not to be held exactly by integer'),
    ('{"$numberDouble": "-0.0"}', 'double precision', 'number', NULL),
    ('{"$numberDecimal": "-0E+3"}', 'numeric', 'decimal', 'not to be held exactly by numeric'),
    ('"abc"', 'varchar(3)', 'string', NULL),
    ('"abc "', 'varchar(3)', 'string', 'not to be held exactly by varchar(3)'),
    ('["abcd"]', 'varchar(3)[]', 'string', 'an element: not to be held exactly by varchar(3)'),
    ('999.99', 'numeric(5,2)', 'number', NULL),
    ('1000', 'numeric(5,2)', 'number', 'not to be held exactly by numeric(5,2)'),
    ('0.005', 'numeric(5,2)', 'number', 'not to be held exactly by numeric(5,2)'),
    ('{"$numberDecimal": "NaN"}', 'numeric(5)', 'decimal', NULL),
    ('{"$numberDecimal": "Infinity"}', 'numeric(5)', 'decimal',
     'not to be held exactly by numeric(5)'),
    ('1200', 'numeric(2,-2)', 'number', NULL),
    ('{"$date": {"$numberLong": "-1000"}}', 'timestamptz(0)', 'date', NULL),
    ('{"$date": "2024-02-29T12:00:00.5Z"}', 'timestamptz(0)', 'date',
     'not to be held exactly by timestamptz(0)')
) AS v (value, type, bson, flaw);

SELECT bag_eq(
    $$ SELECT pgtandem.mongo_unread('{"a": 1, "b": {"c": 1, "d.e": {"x": 1}}, "f": [1], "": 0}',
                                    '{"b": {"c": true}, "f": true}') $$,
    $$ VALUES ('a'), ('b."d.e"'), ('""') $$,
    'what nobody reads'
);
SELECT bag_eq(
    $$ SELECT pgtandem.mongo_unread(d, '{"b": {"c": true}}')
       FROM (VALUES (jsonb '{"b": 3}'), ('{"b": null}'), ('[1]')) AS v (d) $$,
    $$ VALUES ('b') $$,
    'a value where an object was expected'
);

CREATE TEMPORARY VIEW mine AS SELECT 1 AS a;
COMMENT ON VIEW mine IS 'Rendered from the mapping "one".';
SELECT lives_ok($$ SELECT pgtandem.require_old_view('pg_temp.mine', 'one') $$, 'its own view');
SELECT lives_ok($$ SELECT pgtandem.require_old_view('pg_temp.none', 'one') $$, 'or none');
SELECT is(
    (pg_temp.error_of($$ SELECT pgtandem.require_old_view('pg_temp.mine', 'two') $$))[1:2],
    ARRAY['TD086', 'the name pg_temp.mine is taken by something else than the view of the mapping'],
    'TD086: somebody else''s'
);

SELECT * FROM finish();
ROLLBACK;
