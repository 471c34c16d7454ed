-- Verify pgtandem:mapping on pg
-- Raises where a piece is missing.

BEGIN;

SELECT * FROM pgtandem.mapping WHERE false;
SELECT 'pgtandem.mapping_of(text)'::regprocedure;
SELECT (
    'pgtandem.register_mapping(text, text, regclass, regclass, text[], jsonb, text)'
)::regprocedure;
SELECT 'pgtandem.require_all_rows(regclass)'::regprocedure;
SELECT 'pgtandem.set_phase(text, text)'::regprocedure;
SELECT 'pgtandem.forget_mapping(text)'::regprocedure;

ROLLBACK;
