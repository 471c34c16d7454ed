-- For the tests in sql/: rows of gear, as if they had been there before its triggers. An item `n`
-- has the key 00000000-0000-4000-8000-<n in twelve digits>.

-- Tests before this one may have left blocks full of dead rows.
ALTER TABLE user_core.old_equipment DISABLE TRIGGER pgtandem_gear_truncate;
TRUNCATE user_core.old_equipment;
ALTER TABLE user_core.old_equipment ENABLE ALWAYS TRIGGER pgtandem_gear_truncate;

INSERT INTO user_core.users (id, name, email)
VALUES ('00000000-0000-4000-9000-000000000001', 'Ana', 'ana@example.invalid');

CREATE FUNCTION pg_temp.item(p_number integer) RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(p_number::text, 12, '0'))::uuid;
$$;

CREATE FUNCTION pg_temp.item_key(p_number integer) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT jsonb_build_array(pg_temp.item(p_number));
$$;

-- Writes of this session are taken for ours, which the triggers let pass, or are so no longer.
CREATE FUNCTION pg_temp.unseen(p_on boolean) RETURNS text
LANGUAGE sql
AS $$
    SELECT set_config('pgtandem_gear.depth', CASE WHEN p_on THEN '0' ELSE '' END, true);
$$;

CREATE FUNCTION pg_temp.old_items(p_first integer, p_last integer) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_temp.unseen(true);
    INSERT INTO user_core.old_equipment (id, user_id, name, type)
    SELECT pg_temp.item(n), '00000000-0000-4000-9000-000000000001', 'Rope ' || n, 'rope'
    FROM generate_series(p_first, p_last) AS n;
    PERFORM pg_temp.unseen(false);
END;
$$;
