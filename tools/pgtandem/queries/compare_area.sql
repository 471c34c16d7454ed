-- A column of compare_counts.sql: the rows that differ in a column of an area. What is equal ends at
-- the first condition, so it costs next to nothing.
count(*) FILTER (WHERE changed AND columns && {columns}::text[])
