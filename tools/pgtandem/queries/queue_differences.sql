-- Queues each key of a JSON array, and returns how many.
SELECT count(*) FROM (
    SELECT pgtandem.queue(%(mapping)s, k.key, 'difference')
    FROM jsonb_array_elements(%(keys)s::jsonb) AS k (key)
    OFFSET 0
) AS q;
