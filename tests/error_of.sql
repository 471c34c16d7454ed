-- For the tests in sql/: what a statement raises, as {SQLSTATE, message, detail, hint}; NULL where
-- it raises nothing. pgTAP's throws_ok knows neither detail nor hint.

CREATE FUNCTION pg_temp.error_of(p_statement text) RETURNS text[]
LANGUAGE plpgsql
AS $$
DECLARE
    v_message text;
    v_detail  text;
    v_hint    text;
BEGIN
    EXECUTE p_statement;
    RETURN NULL;
EXCEPTION
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT,
                                v_detail = PG_EXCEPTION_DETAIL,
                                v_hint = PG_EXCEPTION_HINT;
        RETURN ARRAY[SQLSTATE, v_message, v_detail, v_hint];
END;
$$;
