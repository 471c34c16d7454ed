-- All rows of the source, in its filter or not.
SELECT count(*) AS rows FROM {source};
