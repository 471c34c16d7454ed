-- Revert vibelife_v5:v5_validate from pg
--
-- Nothing to do: what is proven stays true, as the foreign keys go on checking. They go with the
-- tables, in the revert of v5_tables. Locks nothing.

SELECT 'the foreign keys stay validated' AS note;
