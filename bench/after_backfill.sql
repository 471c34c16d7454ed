-- What the change gear_backfill does once every row is copied.
ALTER TABLE user_core.old_equipment DISABLE TRIGGER pgtandem_gear_moved;
SELECT pgtandem.set_phase('gear', 'backfill');
