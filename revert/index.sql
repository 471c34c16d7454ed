-- Revert pgtandem:index from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.target_index') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.uses_index(text, text);
DROP FUNCTION pgtandem.forget_index(text, text);
DROP FUNCTION pgtandem.register_index(text, text, text, text);
DROP FUNCTION pgtandem.index_failed(text, text, text);
DROP FUNCTION pgtandem.begin_indexes(text);
DROP FUNCTION pgtandem.require_index(regclass, text, boolean, text);
DROP FUNCTION pgtandem.index_state(regclass, text, boolean, text);
DROP FUNCTION pgtandem._index_of(regclass, text);
DROP FUNCTION pgtandem._definition_of(regclass);
DROP FUNCTION pgtandem._index_definition(regclass, boolean, text);
DROP TABLE pgtandem.target_index;

COMMIT;
