-- How many documents were set aside for each reason, and the first of each.
SELECT DISTINCT ON (reason) reason, count(*) OVER (PARTITION BY reason) AS documents, name, line,
       position, message
FROM pgtandem.import_bad
WHERE import = %(import)s
ORDER BY reason, file, position;
