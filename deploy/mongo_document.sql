-- Deploy pgtandem:mongo_document to pg
-- requires: extended_json
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.require_old_view(text, text)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION pgtandem.mongo_id_uuid(p_id text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    -- RFC 9562, version 8: 122 bits of SHA-256.
    SELECT overlay(overlay(h.hex PLACING '8' FROM 13)
                   PLACING to_hex(8 | (('x' || substr(h.hex, 17, 1))::bit(4)::integer & 3)) FROM 17
           )::uuid
    FROM (SELECT left(encode(sha256(decode('3c9d1b527f0e4e0a9a6451f2c8d7b0e6', 'hex')
                                    || convert_to(p_id, 'UTF8')), 'hex'), 32) AS hex) AS h
$$;
COMMENT ON FUNCTION pgtandem.mongo_id_uuid(text) IS
    'A UUID that follows from an _id, given as the staging table has it (canonical Extended JSON): '
    'the same at each import. Version 8, of the SHA-256 of the namespace '
    '3c9d1b52-7f0e-4e0a-9a64-51f2c8d7b0e6 and the text. NULL for NULL.';

CREATE FUNCTION pgtandem.mongo_id_time(p_id text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN p_id ~ '^\{"\$oid": ?"[0-9a-fA-F]{24}"\}$'
                THEN (timestamp '1970-01-01' + interval '1 second'
                      * ('x' || left(right(p_id, 26), 8))::bit(32)::bigint) AT TIME ZONE 'UTC' END;
END;
COMMENT ON FUNCTION pgtandem.mongo_id_time(text) IS
    'When an ObjectId was made, to the second, from an _id as the staging table has it; NULL where '
    'it is no ObjectId.';

CREATE FUNCTION pgtandem.mongo_array(p_value jsonb, p_type text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_texts text[] := ARRAY[]::text[];
BEGIN
    IF jsonb_typeof(p_value) IS DISTINCT FROM 'array' THEN
        PERFORM pgtandem._mongo_no(p_value, 'array');
        RETURN NULL;
    END IF;
    FOR v_n IN 0..jsonb_array_length(p_value) - 1 LOOP
        v_texts[v_n + 1] := CASE p_type
            WHEN 'text' THEN pgtandem.mongo_text(p_value -> v_n)
            WHEN 'integer' THEN pgtandem.mongo_integer(p_value -> v_n)::text
            WHEN 'jsonb' THEN nullif(pgtandem.mongo_json(p_value -> v_n), 'null')::text
            ELSE pgtandem._mongo_must(p_value -> v_n, p_type) END;
    END LOOP;
    RETURN v_texts;
END;
$$;
COMMENT ON FUNCTION pgtandem.mongo_array(jsonb, text) IS
    'The elements of an array, as text to be cast: mongo_array(document -> ''sizes'', '
    '''integer'')::integer[]. Types: text, oid (of text), boolean, smallint, integer, bigint, '
    'numeric, double precision, timestamptz, uuid, bytea, jsonb. NULL for NULL, null, undefined, '
    'also as elements. TD085.';

CREATE FUNCTION pgtandem.mongo_date(p_value timestamptz) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_utc timestamp := date_trunc('milliseconds', p_value AT TIME ZONE 'UTC');
BEGIN
    RETURN jsonb_build_object('$date', CASE
        WHEN v_utc < '1970-01-01' OR v_utc >= '10000-01-01' THEN
            jsonb_build_object('$numberLong', CASE p_value
                WHEN 'infinity' THEN '9223372036854775807'
                WHEN '-infinity' THEN '-9223372036854775808'
                ELSE floor(extract(epoch FROM p_value) * 1000)::bigint::text END)
        WHEN v_utc = date_trunc('second', v_utc) THEN
            to_jsonb(to_char(v_utc, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        ELSE to_jsonb(to_char(v_utc, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) END);
END;
$$;
COMMENT ON FUNCTION pgtandem.mongo_date(timestamptz) IS
    'An instant as relaxed Extended JSON, {"$date": "..."}, to the millisecond, which is all that '
    'MongoDB keeps. NULL for NULL.';

CREATE FUNCTION pgtandem.mongo_decimal(p_value numeric) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN p_value IS NOT NULL
                THEN jsonb_build_object('$numberDecimal', p_value::text) END;
END;
COMMENT ON FUNCTION pgtandem.mongo_decimal(numeric) IS
    'A number as {"$numberDecimal": "..."}. NULL for NULL.';

CREATE FUNCTION pgtandem.mongo_number(p_value double precision) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
BEGIN
    RETURN CASE WHEN p_value::text IN ('NaN', 'Infinity', '-Infinity')
                THEN jsonb_build_object('$numberDouble', p_value::text)
                WHEN p_value::text = '-0' THEN jsonb '{"$numberDouble": "-0.0"}'
                ELSE to_jsonb(p_value::text::numeric) END;
END;
$$;
COMMENT ON FUNCTION pgtandem.mongo_number(double precision) IS
    'A number as relaxed Extended JSON: bare, but for NaN, the infinities and -0. NULL for NULL.';

CREATE FUNCTION pgtandem.mongo_number(p_value numeric) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN p_value IN ('NaN', 'Infinity', '-Infinity')
                THEN jsonb_build_object('$numberDouble', p_value::text)
                ELSE to_jsonb(p_value) END;
END;
COMMENT ON FUNCTION pgtandem.mongo_number(numeric) IS 'The same of a numeric.';

CREATE FUNCTION pgtandem.mongo_binary(p_value bytea, p_subtype text DEFAULT '00') RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('$binary', jsonb_build_object(
        'base64', translate(encode(p_value, 'base64'), E'\n', ''), 'subType', p_subtype))
$$;
COMMENT ON FUNCTION pgtandem.mongo_binary(bytea, text) IS
    'Bytes as {"$binary": {"base64": "...", "subType": "00"}}. A UUID: '
    'mongo_binary(uuid_send(id), ''04''). NULL for NULL.';

CREATE FUNCTION pgtandem.mongo_oids(p_values text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_agg(CASE WHEN v IS NOT NULL THEN jsonb_build_object('$oid', v) END
                              ORDER BY n), '[]')
    FROM unnest(p_values) WITH ORDINALITY AS u (v, n)
$$;
COMMENT ON FUNCTION pgtandem.mongo_oids(text[]) IS
    'An array of {"$oid": "..."}. NULL for NULL.';

CREATE FUNCTION pgtandem._mongo_relaxed(p_value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key  text := pgtandem._mongo_wrapped(p_value);
    v_text text;
BEGIN
    CASE
    WHEN jsonb_typeof(p_value) = 'array' THEN
        RETURN (SELECT coalesce(jsonb_agg(pgtandem._mongo_relaxed(e) ORDER BY n), '[]')
                FROM jsonb_array_elements(p_value) WITH ORDINALITY AS a (e, n));
    WHEN v_key IN ('$numberInt', '$numberLong', '$numberDouble') THEN
        v_text := pgtandem._mongo_number(p_value, v_key);
        -- JSON has no NaN and no infinity, and jsonb no negative zero.
        RETURN CASE WHEN v_text IS NULL THEN p_value
                    WHEN v_text ~ '[NI]' THEN jsonb_build_object(v_key, v_text)
                    WHEN v_text ~ '^-[0.]+([eE].*)?$' THEN jsonb '{"$numberDouble": "-0.0"}'
                    ELSE to_jsonb(v_text::numeric) END;
    WHEN v_key = '$date' THEN
        v_text := coalesce(p_value #>> '{$date,$numberLong}', p_value ->> '$date');
        RETURN coalesce(pgtandem.mongo_date(pgtandem._mongo_time(v_text)),
                        CASE WHEN v_text ~ '^-?\d+$' THEN jsonb_build_object(
                                 '$date', jsonb_build_object('$numberLong', v_text)) END, p_value);
    WHEN v_key = '$oid' THEN
        v_text := pgtandem._mongo_scalar(p_value, 'oid');
        RETURN CASE WHEN v_text IS NULL THEN p_value
                    ELSE jsonb_build_object('$oid', v_text) END;
    WHEN v_key = '$uuid' THEN
        RETURN coalesce(pgtandem.mongo_binary(
                   uuid_send(pgtandem._mongo_scalar(p_value, 'uuid')::uuid), '04'), p_value);
    WHEN v_key = '$binary' AND jsonb_typeof(p_value -> '$binary') = 'string' THEN
        RETURN coalesce(pgtandem.mongo_binary(
                   pgtandem._mongo_scalar(p_value, 'bytea')::bytea,
                   lpad(coalesce(p_value ->> '$type', '00'), 2, '0')), p_value);
    WHEN v_key = '$regex' AND p_value ? '$options' THEN
        RETURN jsonb_build_object('$regularExpression', jsonb_build_object(
            'pattern', p_value -> '$regex', 'options', p_value -> '$options'));
    WHEN v_key IN ('$numberDecimal', '$binary', '$symbol') THEN
        RETURN p_value;
    WHEN jsonb_typeof(p_value) = 'object' THEN
        RETURN (SELECT coalesce(jsonb_object_agg(o.key, pgtandem._mongo_relaxed(o.value)), '{}')
                FROM jsonb_each(p_value) AS o);
    ELSE
        RETURN p_value;
    END CASE;
END;
$$;
COMMENT ON FUNCTION pgtandem._mongo_relaxed(jsonb) IS
    'A value with all that is in it as relaxed Extended JSON, version 2.';

CREATE FUNCTION pgtandem.mongo_json(p_value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN p_value::text LIKE '%"$%' THEN pgtandem._mongo_relaxed(p_value)
                ELSE p_value END;
END;
COMMENT ON FUNCTION pgtandem.mongo_json(jsonb) IS
    'A value of any form in one: relaxed Extended JSON, version 2. Numbers are numbers, what JSON '
    'has no word for keeps its type: {"$date": "2024-02-29T00:00:00Z"}, {"$oid": "..."}, '
    '{"$numberDecimal": "..."}, {"$numberDouble": "NaN"}. Two documents that mean the same become '
    'equal. NULL for NULL; a JSON null stays one.';

CREATE FUNCTION pgtandem._mongo_within(p_text text, p_type text, p_base text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_limits integer[] := regexp_match(p_type, '\((\d+)(?:,(-?\d+))?\)')::integer[];
    v_number numeric;
BEGIN
    IF v_limits IS NULL THEN
        RETURN true;
    ELSIF p_base = 'text' THEN
        RETURN length(p_text) <= v_limits[1];
    ELSIF p_base = 'timestamptz' THEN
        RETURN extract(epoch FROM p_text::timestamptz) * 10::numeric ^ v_limits[1] % 1 = 0;
    END IF;
    v_number := p_text::numeric;
    RETURN v_number = 'NaN'
           OR round(v_number, coalesce(v_limits[2], 0)) = v_number
              AND abs(v_number) < 10::numeric ^ (v_limits[1] - coalesce(v_limits[2], 0));
END;
$$;
COMMENT ON FUNCTION pgtandem._mongo_within(text, text, text) IS
    'Whether a value, as text of the type p_base, is within the limits that p_type has in '
    'parentheses: varchar(9), numeric(5,2), timestamptz(0).';

CREATE FUNCTION pgtandem._mongo_flaw(p_value jsonb, p_type text, p_bson text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key  text := pgtandem._mongo_wrapped(p_value);
    v_kind text := jsonb_typeof(p_value);
    v_type text := regexp_replace(replace(p_type, 'varchar', 'text'), '\(.*\)', '');
    v_flaw text;
    v_text text;
BEGIN
    IF pgtandem._mongo_is_null(p_value) THEN
        RETURN NULL;
    ELSIF p_type LIKE '%[]' THEN
        IF v_kind <> 'array' THEN
            RETURN 'no array';
        END IF;
        FOR v_n IN 0..jsonb_array_length(p_value) - 1 LOOP
            v_flaw := pgtandem._mongo_flaw(p_value -> v_n, left(p_type, -2), p_bson);
            EXIT WHEN v_flaw IS NOT NULL;
        END LOOP;
        RETURN 'an element: ' || v_flaw;
    ELSIF NOT coalesce(CASE p_bson
        WHEN 'string' THEN v_kind = 'string'
        WHEN 'objectId' THEN v_key = '$oid'
        WHEN 'boolean' THEN v_kind = 'boolean'
        WHEN 'number' THEN v_kind = 'number'
                           OR v_key IN ('$numberInt', '$numberLong', '$numberDouble')
        WHEN 'decimal' THEN v_key = '$numberDecimal'
        WHEN 'date' THEN v_key = '$date'
        WHEN 'uuid' THEN v_key = '$uuid' OR v_key = '$binary'
        WHEN 'binary' THEN v_key = '$binary' AND coalesce(p_value #>> '{$binary,subType}',
                                                          p_value ->> '$type') IN ('0', '00')
        ELSE true END, false) THEN
        RETURN 'no ' || p_bson;
    ELSIF p_bson = 'json' THEN
        RETURN NULL;
    END IF;
    v_text := pgtandem._mongo_scalar(p_value, CASE p_bson WHEN 'objectId' THEN 'oid'
                                                          ELSE v_type END);
    v_flaw := 'not to be held exactly by ' || p_type;
    RETURN CASE WHEN v_text IS NULL THEN v_flaw
                -- These could not be given back as they were.
                WHEN p_bson = 'string' AND v_text <> p_value #>> '{}' THEN 'another spelling'
                WHEN v_type <> 'double precision' AND p_bson IN ('number', 'decimal')
                     AND pgtandem._mongo_number(p_value, v_key) ~ '^-[0.]+([eE].*)?$' THEN v_flaw
                WHEN NOT pgtandem._mongo_within(v_text, p_type, v_type) THEN v_flaw END;
END;
$$;
COMMENT ON FUNCTION pgtandem._mongo_flaw(jsonb, text, text) IS 'As mongo_flaw, for any value.';

CREATE FUNCTION pgtandem.mongo_flaw(p_value jsonb, p_type text, p_bson text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    -- What is usual is seen without a call.
    SELECT CASE
        WHEN p_value IS NULL OR p_type = 'jsonb' OR p_value = 'null' THEN NULL
        WHEN CASE
            WHEN jsonb_typeof(p_value) = 'string' THEN
                p_bson = 'string' AND (p_type = 'text' OR p_type = 'uuid' AND (p_value #>> '{}')
                    ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')
            WHEN jsonb_typeof(p_value) = 'boolean' THEN p_bson = 'boolean'
            WHEN jsonb_typeof(p_value) = 'number' THEN
                p_bson = 'number' AND p_type IN ('integer', 'bigint')
                AND (p_value #>> '{}') ~ '^-?\d{1,9}$'
            WHEN jsonb_typeof(p_value) = 'object' THEN
                p_type = 'timestamptz' AND p_bson = 'date' AND p_value - '$date' = '{}'
                AND (p_value #>> '{$date,$numberLong}') ~ '^-?\d{1,13}$'
                OR p_bson = 'number' AND p_type IN ('integer', 'bigint')
                AND p_value - '$numberInt' = '{}'
                AND (p_value ->> '$numberInt') ~ '^-?\d{1,9}$' END THEN NULL
        ELSE pgtandem._mongo_flaw(p_value, p_type, p_bson) END;
END;
COMMENT ON FUNCTION pgtandem.mongo_flaw(jsonb, text, text) IS
    'Why a column of a type cannot hold a value of a document and give it back as it was; NULL '
    'where it can, as it can NULL, null and undefined. p_bson: string, objectId, boolean, number, '
    'decimal, date, uuid, binary or json. Never an error.';

CREATE FUNCTION pgtandem.mongo_unread(p_document jsonb, p_read jsonb) RETURNS SETOF text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key  text;
    v_name text;
    v_kind text;
BEGIN
    IF jsonb_typeof(p_document) IS DISTINCT FROM 'object' THEN
        RETURN;
    END IF;
    FOR v_key IN SELECT jsonb_object_keys(p_document) LOOP
        CONTINUE WHEN p_read -> v_key = 'true';
        v_name := CASE WHEN v_key ~ '[."]' OR v_key = ''
                       THEN '"' || replace(v_key, '"', '""') || '"' ELSE v_key END;
        v_kind := jsonb_typeof(p_document -> v_key);
        IF NOT p_read ? v_key OR v_kind NOT IN ('object', 'null') THEN
            RETURN NEXT v_name;
        ELSIF v_kind = 'object' THEN
            RETURN QUERY SELECT v_name || '.' || path
                         FROM pgtandem.mongo_unread(p_document -> v_key, p_read -> v_key) AS path;
        END IF;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgtandem.mongo_unread(jsonb, jsonb) IS
    'The paths of a document that are not in p_read, an object: {"email": true, "address": '
    '{"city": true}} reads email with all that is in it, and of address the city.';

CREATE FUNCTION pgtandem.require_old_view(p_view text, p_mapping text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_found regclass := to_regclass(p_view);
BEGIN
    IF v_found IS NOT NULL
       AND position(format('mapping "%s"', p_mapping)
                    IN coalesce(obj_description(v_found, 'pg_class'), '')) = 0 THEN
        RAISE EXCEPTION 'the name % is taken by something else than the view of the mapping', p_view
            USING ERRCODE = 'TD086',
                  DETAIL = format('%s is there, and its comment does not name the mapping "%s".',
                                  v_found, p_mapping),
                  HINT = 'Give document.view of the mapping another name, and render again.';
    END IF;
END;
$$;
COMMENT ON FUNCTION pgtandem.require_old_view(text, text) IS
    'Raises TD086 where a relation of that name is not the view of documents of this mapping, '
    'which would be replaced.';

COMMIT;
