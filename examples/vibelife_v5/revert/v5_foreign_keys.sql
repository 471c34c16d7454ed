-- Revert vibelife_v5:v5_foreign_keys from pg
--
-- Nothing to do: the foreign keys stay, as the tables do. Dropped, users who are deleted while
-- version 5 is rolled back would leave their rows behind in the new tables, and the next backfill
-- could not know whose they are (TD026). They hinder nobody: all cascade, so the old application
-- deletes users as ever. They go with the tables, in the revert of v5_tables. Locks nothing.

SELECT 'the foreign keys stay, and take along the rows of deleted users' AS note;
