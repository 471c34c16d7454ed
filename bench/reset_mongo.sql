-- Nothing is there; the import makes its table itself.
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS staging CASCADE;
TRUNCATE as_text, as_jsonb, subtasks;
VACUUM;
CHECKPOINT;
