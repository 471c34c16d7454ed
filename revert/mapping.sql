-- Revert pgtandem:mapping from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.mapping') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.forget_mapping(text);
DROP FUNCTION pgtandem.set_phase(text, text);
DROP FUNCTION pgtandem.register_mapping(text, text, regclass, regclass, text[], jsonb, text);
DROP FUNCTION pgtandem.require_all_rows(regclass);
DROP FUNCTION pgtandem.mapping_of(text);
DROP TABLE pgtandem.mapping;

COMMIT;
