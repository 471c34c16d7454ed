-- Verify pgtandem:contract on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem.override(text, text, text)'::regprocedure;
SELECT 'pgtandem.contract_conditions(text)'::regprocedure;
SELECT 'pgtandem.require_proven(text)'::regprocedure;
SELECT 'pgtandem.require_contract(text)'::regprocedure;
SELECT 'pgtandem.require_columns(regclass, text[])'::regprocedure;
SELECT 'pgtandem._carry_back_batch(text, integer)'::regprocedure;
SELECT 'pgtandem.carry_back_rest(text)'::regprocedure;
SELECT 'pgtandem._carry_back_reset(text)'::regprocedure;
SELECT 'pgtandem.carry_back(text)'::regprocedure;

ROLLBACK;
