-- An empty target, and a copy that begins at the first block. For pgtandem every trigger is on; its
-- competitors write a target without any.
ALTER TABLE gear_ops.gear_items DISABLE TRIGGER USER;
TRUNCATE gear_ops.gear_items CASCADE;
TRUNCATE pgtandem.recheck, pgtandem.sync_failure;
SELECT pgtandem.open_copy('gear');
