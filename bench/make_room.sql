-- Every page half empty, as updates leave it: the next ones are heap-only, in every contestant.
UPDATE user_core.old_equipment SET created_at = created_at;
UPDATE gear_ops.gear_items SET created_at = created_at;
