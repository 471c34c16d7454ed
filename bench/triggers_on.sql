ALTER TABLE gear_ops.gear_items
    ENABLE ALWAYS TRIGGER pgtandem_gear_back_write,
    ENABLE ALWAYS TRIGGER pgtandem_gear_back_update,
    ENABLE ALWAYS TRIGGER pgtandem_gear_truncate;
