-- Verify pgtandem:index on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.target_index WHERE false;
SELECT 'pgtandem._index_definition(regclass, boolean, text)'::regprocedure;
SELECT 'pgtandem._definition_of(regclass)'::regprocedure;
SELECT 'pgtandem._index_of(regclass, text)'::regprocedure;
SELECT 'pgtandem.index_state(regclass, text, boolean, text)'::regprocedure;
SELECT 'pgtandem.require_index(regclass, text, boolean, text)'::regprocedure;
SELECT 'pgtandem.begin_indexes(text)'::regprocedure;
SELECT 'pgtandem.index_failed(text, text, text)'::regprocedure;
SELECT 'pgtandem.register_index(text, text, text, text)'::regprocedure;
SELECT 'pgtandem.forget_index(text, text)'::regprocedure;
SELECT 'pgtandem.uses_index(text, text)'::regprocedure;

ROLLBACK;
