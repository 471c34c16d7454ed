-- Deploy pgtandem:mongo_id to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.mongo_id(jsonb)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE FUNCTION pgtandem._mongo_number(p_text text, p_decimal boolean) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
DECLARE
    v_number numeric := p_text::numeric;
BEGIN
    IF v_number = 'NaN' OR v_number IN ('Infinity', '-Infinity') THEN
        RETURN jsonb_build_object('$numberDouble', v_number::text);
    ELSIF v_number = trunc(v_number) AND v_number BETWEEN -2147483648 AND 2147483647 THEN
        RETURN jsonb_build_object('$numberInt', trunc(v_number)::text);
    ELSIF v_number = trunc(v_number)
          AND v_number BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
        RETURN jsonb_build_object('$numberLong', trunc(v_number)::text);
    ELSIF p_decimal THEN
        RETURN jsonb_build_object('$numberDecimal', trim_scale(v_number)::text);
    END IF;
    RETURN jsonb_build_object('$numberDouble', v_number::double precision::text);
END;
$$;
COMMENT ON FUNCTION pgtandem._mongo_number(text, boolean) IS
    'A number as Extended JSON. Whole numbers have one form whatever type they came in, as MongoDB '
    'finds them equal; the others keep theirs, double or decimal.';

CREATE FUNCTION pgtandem._mongo_date(p_date jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, MDY'
AS $$
    SELECT jsonb_build_object('$date', jsonb_build_object('$numberLong', CASE
        jsonb_typeof(p_date)
        WHEN 'object' THEN (p_date ->> '$numberLong')::bigint
        WHEN 'number' THEN p_date::bigint
        ELSE round(extract(epoch FROM (p_date #>> '{}')::timestamptz) * 1000)::bigint
    END::text));
$$;
COMMENT ON FUNCTION pgtandem._mongo_date(jsonb) IS
    'What $date holds, in any form, as canonical Extended JSON: milliseconds since 1970.';

CREATE FUNCTION pgtandem._mongo_binary(p_base64 text, p_subtype text) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('$binary', jsonb_build_object(
        'base64', translate(encode(decode(p_base64, 'base64'), 'base64'), E'\n', ''),
        'subType', lpad(lower(p_subtype), 2, '0')));
$$;
COMMENT ON FUNCTION pgtandem._mongo_binary(text, text) IS
    'Binary data as canonical Extended JSON.';

CREATE FUNCTION pgtandem.mongo_canonical(p_value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_keys text[];
BEGIN
    CASE jsonb_typeof(p_value)
        WHEN 'number' THEN
            RETURN pgtandem._mongo_number(p_value::text, false);
        WHEN 'array' THEN
            RETURN coalesce((
                SELECT jsonb_agg(pgtandem.mongo_canonical(e) ORDER BY n)
                FROM jsonb_array_elements(p_value) WITH ORDINALITY AS a (e, n)), '[]');
        WHEN 'object' THEN
            v_keys := ARRAY(SELECT k FROM jsonb_object_keys(p_value) AS k ORDER BY k COLLATE "C");
        ELSE
            RETURN p_value;
    END CASE;
    RETURN CASE
        WHEN v_keys = '{$oid}' THEN jsonb_build_object('$oid', lower(p_value ->> '$oid'))
        WHEN v_keys IN ('{$numberInt}', '{$numberLong}', '{$numberDouble}')
            THEN pgtandem._mongo_number(p_value ->> v_keys[1], false)
        WHEN v_keys = '{$numberDecimal}'
            THEN pgtandem._mongo_number(p_value ->> '$numberDecimal', true)
        WHEN v_keys = '{$date}' THEN pgtandem._mongo_date(p_value -> '$date')
        WHEN v_keys = '{$uuid}' THEN pgtandem._mongo_binary(
            encode(uuid_send((p_value ->> '$uuid')::uuid), 'base64'), '04')
        WHEN v_keys = '{$binary,$type}' AND jsonb_typeof(p_value -> '$binary') = 'string'
            THEN pgtandem._mongo_binary(p_value ->> '$binary', p_value ->> '$type')
        WHEN v_keys = '{$binary}' AND jsonb_typeof(p_value -> '$binary') = 'object'
            THEN pgtandem._mongo_binary(
                p_value #>> '{$binary,base64}', p_value #>> '{$binary,subType}')
        WHEN v_keys = '{$options,$regex}' AND jsonb_typeof(p_value -> '$regex') = 'string'
            THEN jsonb_build_object('$regularExpression', jsonb_build_object(
                'pattern', p_value ->> '$regex', 'options', p_value ->> '$options'))
        WHEN v_keys IN ('{$regularExpression}', '{$timestamp}', '{$minKey}', '{$maxKey}',
                        '{$undefined}') THEN p_value
        ELSE coalesce((SELECT jsonb_object_agg(k, pgtandem.mongo_canonical(v))
                       FROM jsonb_each(p_value) AS e (k, v)), '{}')
    END;
END;
$$;
COMMENT ON FUNCTION pgtandem.mongo_canonical(jsonb) IS
    'A value in any form of Extended JSON (v2 canonical, v2 relaxed, v1), nested or not, in one: '
    'v2 canonical, whole numbers in the smallest type that holds them. Raises where no BSON value '
    'is written so ({"$numberInt": "x"}).';

CREATE FUNCTION pgtandem.mongo_id(p_id jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(p_id) = 'string' THEN
        RETURN p_id::text;
    END IF;
    RETURN pgtandem.mongo_canonical(p_id)::text;
END;
$$;
COMMENT ON FUNCTION pgtandem.mongo_id(jsonb) IS
    'An _id, or a reference to one, as staging tables have it: its canonical form as text, '
    '{"$oid": "..."}, {"$numberInt": "5"} or "abc" with its quotes. What MongoDB finds equal has '
    'one spelling, save that an embedded document does not keep the order of its fields.';

COMMIT;
