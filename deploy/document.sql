-- Deploy pgtandem:document to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.json_of(timestamptz)') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

-- A SQL body is bound to its objects here and now, so no search_path can mislead it; PostgreSQL
-- writes it into the query that calls it.
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE FUNCTION pgtandem.json_of(p_value timestamptz) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN isfinite(p_value)
                THEN to_jsonb((to_jsonb(p_value AT TIME ZONE 'UTC') #>> '{}') || '+00:00')
                ELSE to_jsonb(p_value) END;
END;
COMMENT ON FUNCTION pgtandem.json_of(timestamptz) IS
    'An instant as a JSON string of ISO 8601 in UTC, whatever the TimeZone of the session; NULL '
    'for NULL.';

CREATE FUNCTION pgtandem.same_time(p_one jsonb, p_other jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    -- jsonpath, as it can be told not to raise, and PostgreSQL 15 has no other way. It does not
    -- know the zone Z, nor times without seconds.
    SELECT coalesce(
               jsonb_path_query_first(p.pair, '$[0].datetime().type()', '{}', true)
               = jsonb_path_query_first(p.pair, '$[1].datetime().type()', '{}', true)
               AND jsonb_path_match_tz(p.pair, '$[0].datetime() == $[1].datetime()', '{}', true),
               false)
    FROM (SELECT jsonb_agg(regexp_replace(
                     regexp_replace(v #>> '{}', '[zZ]$', '+00:00'),
                     '(^|[T ])(\d\d:\d\d)($|[+-])', '\1\2:00\3') ORDER BY n) AS pair
          FROM unnest(ARRAY[p_one, p_other]) WITH ORDINALITY AS u (v, n)) AS p
$$;
COMMENT ON FUNCTION pgtandem.same_time(jsonb, jsonb) IS
    'Whether two JSON strings are the same date, time or timestamp, by ISO 8601: of one type, with '
    'or without a zone, and the same instant. false where one is none; never NULL, never an error.';

CREATE FUNCTION pgtandem.array_of(p_value jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    -- A function, for a subquery of an UPDATE that finds its row locked is run beforehand, whether
    -- or not a CASE around it would have spared it a value that has no elements.
    SELECT CASE WHEN jsonb_typeof(p_value) = 'array'
                THEN ARRAY(SELECT jsonb_array_elements_text(p_value))
                ELSE (p_value #>> '{}')::text[] END
$$;
COMMENT ON FUNCTION pgtandem.array_of(jsonb) IS
    'The elements of a JSON array as text, to be cast; NULL for NULL and a JSON null. 22P02 for '
    'what is no array.';

CREATE FUNCTION pgtandem._no_object(p_value jsonb, p_path text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF p_value IS NULL OR jsonb_typeof(p_value) = 'null' THEN
        RETURN jsonb '{}';
    END IF;
    RAISE EXCEPTION '% of the document is no object, so nothing can be stored in it',
        array_to_string(p_path, '.')
        USING ERRCODE = 'TD029',
              DETAIL = format('It is %s: %s', jsonb_typeof(p_value), left(p_value::text, 200)),
              HINT = 'Nothing was overwritten. Make it an object, or null, or let the mapping name '
                     'another path.';
END;
$$;
COMMENT ON FUNCTION pgtandem._no_object(jsonb, text[]) IS
    'An empty object for a value that is missing or null; TD029 for a scalar or an array.';

CREATE FUNCTION pgtandem.as_object(p_value jsonb, p_path text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(p_value) = 'object' THEN p_value
                ELSE pgtandem._no_object(p_value, p_path) END;
END;
COMMENT ON FUNCTION pgtandem.as_object(jsonb, text[]) IS
    'The value at a path if values can be stored in it: an object as it is; missing or null: an '
    'empty object. TD029 for a scalar or an array.';

COMMIT;
