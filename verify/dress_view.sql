-- Verify pgtandem:dress_view on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._grants(regclass)'::regprocedure;
SELECT 'pgtandem._copy_grants(regclass, regclass)'::regprocedure;
SELECT 'pgtandem._copy_comments(regclass, regclass)'::regprocedure;
SELECT 'pgtandem.dress_view(regclass, regclass)'::regprocedure;
SELECT 'pgtandem.undress_view(regclass, regclass)'::regprocedure;

ROLLBACK;
