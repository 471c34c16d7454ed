-- Revert pgtandem:contract from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.override(text, text, text)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP PROCEDURE pgtandem.carry_back(text);
DROP FUNCTION pgtandem._carry_back_reset(text);
DROP FUNCTION pgtandem.carry_back_rest(text);
DROP FUNCTION pgtandem._carry_back_batch(text, integer);
DROP FUNCTION pgtandem.require_columns(regclass, text[]);
DROP FUNCTION pgtandem.require_contract(text);
DROP FUNCTION pgtandem.require_proven(text);
DROP FUNCTION pgtandem.contract_conditions(text);
DROP FUNCTION pgtandem.override(text, text, text);

COMMIT;
