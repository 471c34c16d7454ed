-- Deploy pgtandem:extended_json to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.mongo_bytea(jsonb)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

SET LOCAL search_path = pg_catalog, pg_temp;

-- Values of MongoDB's Extended JSON: version 2, canonical ({"$numberInt": "5"}) or relaxed (5), or
-- version 1 ({"$date": 1700000000000}). A missing value (SQL NULL), a JSON null and
-- {"$undefined": true} are NULL in all of the functions below.
CREATE FUNCTION pgtandem._mongo_wrapped(p_value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    -- An object of other keys as well is a document, and none of these values.
    SELECT CASE WHEN jsonb_typeof(p_value) <> 'object' THEN NULL
                WHEN p_value ? '$numberInt' AND p_value - '$numberInt' = '{}' THEN '$numberInt'
                WHEN p_value ? '$date' AND p_value - '$date' = '{}' THEN '$date'
                WHEN p_value ? '$oid' AND p_value - '$oid' = '{}' THEN '$oid'
                WHEN p_value ? '$numberLong' AND p_value - '$numberLong' = '{}' THEN '$numberLong'
                WHEN p_value ? '$numberDouble' AND p_value - '$numberDouble' = '{}'
                    THEN '$numberDouble'
                WHEN p_value ? '$numberDecimal' AND p_value - '$numberDecimal' = '{}'
                    THEN '$numberDecimal'
                WHEN p_value ? '$binary' AND p_value - '$binary' - '$type' = '{}' THEN '$binary'
                WHEN p_value ? '$uuid' AND p_value - '$uuid' = '{}' THEN '$uuid'
                WHEN p_value ? '$symbol' AND p_value - '$symbol' = '{}' THEN '$symbol'
                WHEN p_value ? '$regex' AND p_value - '$regex' - '$options' = '{}' THEN '$regex'
           END;
END;
COMMENT ON FUNCTION pgtandem._mongo_wrapped(jsonb) IS
    'The key of a value that is written as an object, as {"$oid": "..."}; NULL where it is none of '
    'those that these functions change.';

CREATE FUNCTION pgtandem._mongo_time(p_text text) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v text[];
BEGIN
    -- All is looked at beforehand: a cast that failed could not be caught in a parallel worker.
    IF p_text ~ '^[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T'
                '(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z$' THEN
        RETURN p_text::timestamptz;
    ELSIF p_text ~ '^-?\d{1,18}$' THEN
        -- Milliseconds; PostgreSQL's years end in 294276.
        RETURN CASE WHEN p_text::bigint BETWEEN -210866803200000 AND 9224318015999999
                    THEN (timestamp '1970-01-01'
                          + p_text::bigint / 86400000 * interval '1 day'
                          + p_text::bigint % 86400000 * interval '1 millisecond')
                         AT TIME ZONE 'UTC' END;
    END IF;
    v := regexp_match(p_text, '^(\d{4,6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)'
                              '(?:\.\d{1,6})?)?(?:[Zz]|[+-](\d\d)(?::?(\d\d))?)$');
    IF v[1]::integer BETWEEN 1 AND 294275 AND v[2]::integer BETWEEN 1 AND 12
       AND v[3]::integer BETWEEN 1 AND extract(day FROM make_date(v[1]::integer, v[2]::integer, 1)
                                               + interval '1 month' - interval '1 day')
       AND v[4]::integer < 24 AND v[5]::integer < 60 AND coalesce(v[6]::integer, 0) < 60
       AND coalesce(v[7]::integer, 0) < 16 AND coalesce(v[8]::integer, 0) < 60 THEN
        RETURN p_text::timestamptz;
    END IF;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION pgtandem._mongo_time(text) IS
    'The instant that is written as ISO 8601 with its zone, or as milliseconds since 1970; NULL '
    'where it is none, or beyond the years of PostgreSQL. Never an error.';

CREATE FUNCTION pgtandem._mongo_number(p_value jsonb, p_key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN jsonb_typeof(p_value) = 'number' THEN p_value #>> '{}'
        WHEN p_key IN ('$numberInt', '$numberLong')
            THEN substring(p_value ->> p_key FROM '^-?\d{1,19}$')
        WHEN p_key IN ('$numberDouble', '$numberDecimal')
            THEN (regexp_match(p_value ->> p_key, '^(NaN|[+-]?(?:Infinity|'
                               '(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?))$'))[1] END;
END;
COMMENT ON FUNCTION pgtandem._mongo_number(jsonb, text) IS
    'The text of a number, written in any way, as PostgreSQL reads it; NULL where it is none. '
    'p_key: what _mongo_wrapped says.';

CREATE FUNCTION pgtandem._mongo_double(p_text text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
BEGIN
    -- What a double cannot hold to the last digit is none.
    IF p_text ~ '[NI]' OR p_text::numeric = 0 THEN
        RETURN p_text::double precision::text;
    ELSIF abs(p_text::numeric) BETWEEN 5e-324 AND 1.7976931348623157e308
          AND p_text::double precision::text::numeric = p_text::numeric THEN
        RETURN p_text;
    END IF;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION pgtandem._mongo_double(text) IS
    'The number, where a double precision holds it: its shortest form is the same number. Else '
    'NULL, never an error.';

CREATE FUNCTION pgtandem._mongo_scalar(p_value jsonb, p_type text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key  text := pgtandem._mongo_wrapped(p_value);
    v_text text;
    v_most numeric;
BEGIN
    CASE p_type
    WHEN 'text' THEN
        RETURN CASE WHEN jsonb_typeof(p_value) = 'string' THEN p_value #>> '{}'
                    WHEN v_key = '$symbol' THEN p_value ->> '$symbol' END;
    WHEN 'oid' THEN
        RETURN CASE WHEN v_key = '$oid' AND (p_value ->> '$oid') ~ '^[0-9a-fA-F]{24}$'
                    THEN lower(p_value ->> '$oid') END;
    WHEN 'boolean' THEN
        RETURN CASE WHEN jsonb_typeof(p_value) = 'boolean' THEN p_value #>> '{}' END;
    WHEN 'timestamptz' THEN
        v_text := CASE WHEN jsonb_typeof(p_value) = 'string' THEN p_value #>> '{}'
                       WHEN v_key = '$date'
                       THEN coalesce(p_value #>> '{$date,$numberLong}', p_value ->> '$date') END;
        -- A string without $date is no number of milliseconds.
        RETURN CASE WHEN jsonb_typeof(p_value) = 'object' OR v_text ~ '-.*:'
                    THEN (to_jsonb(pgtandem._mongo_time(v_text) AT TIME ZONE 'UTC') #>> '{}')
                         || '+00' END;
    WHEN 'uuid' THEN
        v_text := CASE
            WHEN jsonb_typeof(p_value) = 'string' THEN p_value #>> '{}'
            WHEN v_key = '$uuid' THEN p_value ->> '$uuid'
            WHEN coalesce(p_value #>> '{$binary,subType}', p_value ->> '$type') IN ('4', '04')
            THEN encode(pgtandem._mongo_scalar(p_value, 'bytea')::bytea, 'hex') END;
        RETURN CASE WHEN v_text ~ '^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$'
                    THEN v_text::uuid::text END;
    WHEN 'bytea' THEN
        v_text := CASE WHEN v_key = '$binary'
                       THEN coalesce(p_value #>> '{$binary,base64}', p_value ->> '$binary') END;
        RETURN CASE WHEN length(v_text) % 4 = 0 AND v_text ~ '^[A-Za-z0-9+/]*={0,2}$'
                    THEN E'\\x' || encode(decode(v_text, 'base64'), 'hex') END;
    ELSE
        v_text := pgtandem._mongo_number(p_value, v_key);
        IF p_type = 'numeric' OR v_text IS NULL THEN
            RETURN v_text::numeric::text;
        ELSIF p_type = 'double precision' THEN
            RETURN pgtandem._mongo_double(v_text);
        END IF;
        v_most := CASE p_type WHEN 'smallint' THEN 32767 WHEN 'integer' THEN 2147483647
                              WHEN 'bigint' THEN 9223372036854775807 END;
        RETURN CASE WHEN v_text ~ '[NI]' THEN NULL
                    WHEN v_text::numeric BETWEEN -v_most - 1 AND v_most
                         AND v_text::numeric = trunc(v_text::numeric)
                    THEN trunc(v_text::numeric)::text END;
    END CASE;
END;
$$;
COMMENT ON FUNCTION pgtandem._mongo_scalar(jsonb, text) IS
    'The text of a value as PostgreSQL reads it for a type: text, oid (of text), boolean, '
    'smallint, integer, bigint, numeric, double precision, timestamptz, uuid or bytea. NULL where '
    'the type cannot hold it exactly. Never an error.';

CREATE FUNCTION pgtandem._mongo_is_null(p_value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT p_value IS NULL OR p_value IN ('null', '{"$undefined": true}');
END;
COMMENT ON FUNCTION pgtandem._mongo_is_null(jsonb) IS
    'Whether a value is missing, a JSON null, or undefined.';

CREATE FUNCTION pgtandem._mongo_no(p_value jsonb, p_type text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pgtandem._mongo_is_null(p_value) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the value % of a document is no %', left(p_value::text, 200),
        CASE p_type WHEN 'oid' THEN 'ObjectId' ELSE p_type END
        USING ERRCODE = 'TD085',
              DETAIL = 'It is of another kind, or the type cannot hold it exactly.',
              HINT = 'Let the mapping name a type that holds it, or mend the document.';
END;
$$;
COMMENT ON FUNCTION pgtandem._mongo_no(jsonb, text) IS
    'NULL for NULL, null and undefined; TD085 for any other value: it is none of the type.';

CREATE FUNCTION pgtandem._mongo_must(p_value jsonb, p_type text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(pgtandem._mongo_scalar(p_value, p_type), pgtandem._mongo_no(p_value, p_type));
END;
COMMENT ON FUNCTION pgtandem._mongo_must(jsonb, text) IS
    'As _mongo_scalar, but NULL is for what is null alone: TD085 where the type cannot hold the '
    'value.';

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it, where the usual forms take no call of ours.
CREATE FUNCTION pgtandem.mongo_text(p_value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(p_value) = 'string' THEN p_value #>> '{}'
                ELSE pgtandem._mongo_must(p_value, 'text') END;
END;
COMMENT ON FUNCTION pgtandem.mongo_text(jsonb) IS
    'A string or {"$symbol": ...} of Extended JSON. NULL for NULL, null, undefined. TD085.';

CREATE FUNCTION pgtandem.mongo_oid(p_value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pgtandem._mongo_must(p_value, 'oid');
END;
COMMENT ON FUNCTION pgtandem.mongo_oid(jsonb) IS
    'The 24 digits of {"$oid": ...}, in lower case. NULL for NULL, null, undefined. TD085.';

CREATE FUNCTION pgtandem.mongo_boolean(p_value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(p_value) = 'boolean' THEN p_value::boolean
                ELSE pgtandem._mongo_must(p_value, 'boolean')::boolean END;
END;
COMMENT ON FUNCTION pgtandem.mongo_boolean(jsonb) IS
    'true or false. NULL for NULL, null, undefined. TD085, also for numbers and strings.';

CREATE FUNCTION pgtandem.mongo_integer(p_value jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE jsonb_typeof(p_value)
        WHEN 'object' THEN
            CASE WHEN (p_value ->> '$numberInt') ~ '^-?\d{1,9}$' AND p_value - '$numberInt' = '{}'
                 THEN (p_value ->> '$numberInt')::integer
                 ELSE pgtandem._mongo_must(p_value, 'integer')::integer END
        WHEN 'number' THEN
            CASE WHEN p_value::numeric BETWEEN -2147483648 AND 2147483647
                      AND p_value::numeric = trunc(p_value::numeric)
                 THEN p_value::integer
                 ELSE pgtandem._mongo_must(p_value, 'integer')::integer END
        ELSE pgtandem._mongo_must(p_value, 'integer')::integer END;
END;
COMMENT ON FUNCTION pgtandem.mongo_integer(jsonb) IS
    'A number of any form ($numberInt, $numberLong, $numberDouble, $numberDecimal, or bare) that '
    'an integer holds exactly: 3.0 is 3, 1.5 is TD085. NULL for NULL, null, undefined.';

CREATE FUNCTION pgtandem.mongo_bigint(p_value jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE jsonb_typeof(p_value)
        WHEN 'object' THEN
            CASE WHEN (p_value ->> '$numberLong') ~ '^-?\d{1,18}$'
                      AND p_value - '$numberLong' = '{}'
                 THEN (p_value ->> '$numberLong')::bigint
                 ELSE pgtandem._mongo_must(p_value, 'bigint')::bigint END
        WHEN 'number' THEN
            CASE WHEN (p_value #>> '{}') ~ '^-?\d{1,18}$' THEN p_value::bigint
                 ELSE pgtandem._mongo_must(p_value, 'bigint')::bigint END
        ELSE pgtandem._mongo_must(p_value, 'bigint')::bigint END;
END;
COMMENT ON FUNCTION pgtandem.mongo_bigint(jsonb) IS 'The same as a bigint.';

CREATE FUNCTION pgtandem.mongo_numeric(p_value jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(p_value) = 'number' THEN p_value::numeric
                ELSE pgtandem._mongo_must(p_value, 'numeric')::numeric END;
END;
COMMENT ON FUNCTION pgtandem.mongo_numeric(jsonb) IS
    'A number of any form with all its digits; NaN and the infinities, too. NULL for NULL, null, '
    'undefined. TD085.';

CREATE FUNCTION pgtandem.mongo_double(p_value jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pgtandem._mongo_must(p_value, 'double precision')::double precision;
END;
COMMENT ON FUNCTION pgtandem.mongo_double(jsonb) IS
    'A number of any form that a double precision holds: 0.1 as it is written, but TD085 for '
    '9007199254740993. NaN and the infinities, too. NULL for NULL, null, undefined.';

CREATE FUNCTION pgtandem._mongo_text_time(p_value jsonb) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pgtandem._mongo_must(p_value, 'timestamptz')::timestamptz;
END;
COMMENT ON FUNCTION pgtandem._mongo_text_time(jsonb) IS
    'The instant of a value that has its zone with it: TimeZone and DateStyle do not matter.';

CREATE FUNCTION pgtandem.mongo_time(p_value jsonb) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN (p_value #>> '{$date,$numberLong}') ~ '^-?\d{1,13}$'
                THEN CASE WHEN p_value - '$date' = '{}'
                          THEN (timestamp '1970-01-01' + interval '1 millisecond'
                                * (p_value #>> '{$date,$numberLong}')::bigint) AT TIME ZONE 'UTC'
                          ELSE pgtandem._mongo_text_time(p_value) END
                ELSE pgtandem._mongo_text_time(p_value) END;
END;
COMMENT ON FUNCTION pgtandem.mongo_time(jsonb) IS
    'The instant of {"$date": ...}: ISO 8601, milliseconds, or {"$numberLong": ...}; or of a bare '
    'string of ISO 8601 with its zone. NULL for NULL, null, undefined. TD085.';

CREATE FUNCTION pgtandem.mongo_uuid(p_value jsonb) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(p_value) = 'string' AND (p_value #>> '{}')
                     ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
                THEN (p_value #>> '{}')::uuid
                ELSE pgtandem._mongo_must(p_value, 'uuid')::uuid END;
END;
COMMENT ON FUNCTION pgtandem.mongo_uuid(jsonb) IS
    'The UUID of {"$uuid": ...}, of binary data of subtype 4, or of a bare string. NULL for NULL, '
    'null, undefined. TD085, also for subtype 3, whose bytes each driver has ordered differently.';

CREATE FUNCTION pgtandem.mongo_bytea(p_value jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pgtandem._mongo_must(p_value, 'bytea')::bytea;
END;
COMMENT ON FUNCTION pgtandem.mongo_bytea(jsonb) IS
    'The bytes of {"$binary": ...} of either version, whatever its subtype. NULL for NULL, null, '
    'undefined. TD085.';

COMMIT;
