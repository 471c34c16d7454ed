-- Deploy pgtandem:event to pg
-- requires: schema
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.event') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE TABLE pgtandem.event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    mapping     text NOT NULL,
    kind        text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}',
    role        text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT coalesce(current_setting('application_name', true), ''),
    reason      text
);
CREATE INDEX event_mapping_idx ON pgtandem.event (mapping, kind, id);

COMMENT ON TABLE pgtandem.event IS
    'Who did what, when and why: phases, completed copies, comparisons, repairs, overrides. Kept '
    'when the mapping is forgotten.';
COMMENT ON COLUMN pgtandem.event.id IS 'Order in which the events were written.';
COMMENT ON COLUMN pgtandem.event.happened_at IS 'Wall clock when the event was written.';
COMMENT ON COLUMN pgtandem.event.mapping IS
    'Name of the mapping; not a foreign key, to outlive it.';
COMMENT ON COLUMN pgtandem.event.kind IS 'phase, copy, comparison, repair, override, pause, ...';
COMMENT ON COLUMN pgtandem.event.detail IS 'The figures, as a JSON object.';
COMMENT ON COLUMN pgtandem.event.role IS 'session_user of who did it.';
COMMENT ON COLUMN pgtandem.event.application IS 'application_name of who did it.';
COMMENT ON COLUMN pgtandem.event.reason IS 'Why, in the words of who did it; NULL where not asked.';

CREATE FUNCTION pgtandem.log_event(
    p_mapping text,
    p_kind    text,
    p_detail  jsonb DEFAULT '{}',
    p_reason  text DEFAULT NULL
) RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO pgtandem.event (mapping, kind, detail, reason)
    VALUES (p_mapping, p_kind, p_detail, p_reason)
    RETURNING id;
$$;
COMMENT ON FUNCTION pgtandem.log_event(text, text, jsonb, text) IS
    'Writes one event and returns its id.';

COMMIT;
