-- In place of a table of what was seen, where the import began with an empty staging table.
(SELECT import, _id, hashtextextended(document::text, 0) AS hash FROM {staging})
