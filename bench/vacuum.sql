VACUUM user_core.old_equipment, gear_ops.gear_items;
