-- The engine's changes that Sqitch deployed here. {registry} is the schema of Sqitch's books.
SELECT change_id
FROM {registry}.changes
WHERE project = 'pgtandem';
