SELECT count(*) FROM gear_ops.gear_items;
