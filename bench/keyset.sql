-- The usual batches: 1,000 keys at a time in the order of the key, locked, committed one by one. A
-- procedure, so no time goes into round trips, and without waiting for each commit to reach the disk.
CREATE SCHEMA keyset;
CREATE TABLE keyset.progress (
    worker integer PRIMARY KEY,
    last   uuid NOT NULL
);

-- From p_low, below p_high; NULL: no bound.
CREATE PROCEDURE keyset.copy(p_worker integer, p_low uuid, p_high uuid)
LANGUAGE plpgsql
AS $$
DECLARE
    v_last uuid := coalesce(p_low, '00000000-0000-0000-0000-000000000000');
    v_next uuid;
BEGIN
    LOOP
        SET LOCAL synchronous_commit = off;
        WITH batch AS MATERIALIZED (
            SELECT * FROM user_core.old_equipment
            WHERE id > v_last AND (p_high IS NULL OR id <= p_high)
            ORDER BY id
            LIMIT 1000
            FOR NO KEY UPDATE
        ), copied AS (
            INSERT INTO gear_ops.gear_items
                (id, user_id, name, category, brand, created_at, status, role, updated_at)
            SELECT id, user_id, name, type, brand, created_at, 'active', 'personal', created_at
            FROM batch
            ON CONFLICT (id) DO NOTHING
        )
        SELECT id INTO v_next FROM batch ORDER BY id DESC LIMIT 1;
        EXIT WHEN v_next IS NULL;
        v_last := v_next;
        INSERT INTO keyset.progress VALUES (p_worker, v_last)
        ON CONFLICT (worker) DO UPDATE SET last = excluded.last;
        COMMIT;
    END LOOP;
    COMMIT;
END;
$$;
