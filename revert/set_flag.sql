-- Revert pgtandem:set_flag from pg

BEGIN;

DROP FUNCTION IF EXISTS pgtandem.set_flag_users(text, text, text[], text);
DROP FUNCTION IF EXISTS pgtandem.set_stages(text, integer[], text);
DROP FUNCTION IF EXISTS pgtandem.previous_stage(text, text);
DROP FUNCTION IF EXISTS pgtandem.next_stage(text, text);
DROP FUNCTION IF EXISTS pgtandem.set_flag(text, numeric, text);
DROP FUNCTION IF EXISTS pgtandem.set_flag(text, text, text);
DROP FUNCTION IF EXISTS pgtandem._note_flag(text, text, text, text, text, text);
DROP FUNCTION IF EXISTS pgtandem._lock_flag(text);

COMMIT;
