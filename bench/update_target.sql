\set item random(1, :rows)
\set value random(1, 1000000)
UPDATE gear_ops.gear_items SET name = 'Tent ' || :value WHERE id = md5('gear item ' || :item)::uuid;
