\set item random(1, :rows)
UPDATE user_core.old_equipment SET last_viewed_at = clock_timestamp() WHERE id = md5('gear item ' || :item)::uuid;
