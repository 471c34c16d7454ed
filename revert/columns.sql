-- Revert pgtandem:columns from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.save_companions(text)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.rebuild_one(bigint);
DROP FUNCTION pgtandem.rebuild(text);
DROP FUNCTION pgtandem.require_gone(text);
DROP FUNCTION pgtandem.require_values(text, text[]);
DROP FUNCTION pgtandem.name_columns(text);
DROP FUNCTION pgtandem.add_columns(text);
DROP FUNCTION pgtandem.save_companions(text);
DROP FUNCTION pgtandem.require_finished(text);
DROP FUNCTION pgtandem._keep_sequences(text);
DROP FUNCTION pgtandem.abandon_archive(text);
DROP FUNCTION pgtandem.require_key(regclass, text[]);
DROP FUNCTION pgtandem.contract_tables(text);
DROP FUNCTION pgtandem.contract_report(text);

COMMIT;
