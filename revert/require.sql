-- Revert pgtandem:require from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.require_hash(text, text)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.require_complete(text);
DROP FUNCTION pgtandem.is_default(regclass, text, text);
DROP FUNCTION pgtandem.require_deletable(regclass, regclass);
DROP FUNCTION pgtandem.require_index(regclass, text[]);
DROP FUNCTION pgtandem.require_last(regclass, text);
DROP FUNCTION pgtandem.require_own_triggers(regclass, regnamespace, text[]);
DROP FUNCTION pgtandem.require_trigger(regclass, text);
DROP FUNCTION pgtandem.require_immediate(regclass);
DROP FUNCTION pgtandem.require_generated(regclass, text[]);
DROP FUNCTION pgtandem.require_determined(regclass, regclass[]);
DROP FUNCTION pgtandem.require_reads(regclass, regclass, text[]);
DROP FUNCTION pgtandem.require_unique(regclass, text[]);
DROP FUNCTION pgtandem.require_hash(text, text);

COMMIT;
