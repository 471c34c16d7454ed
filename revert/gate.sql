-- Revert pgtandem:gate from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.sample') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.gate(text, jsonb);
DROP FUNCTION pgtandem._colliding(text);
DROP FUNCTION pgtandem._sequences(regclass);
DROP VIEW pgtandem.gate_status;
DROP FUNCTION pgtandem._threshold(jsonb);
DROP FUNCTION pgtandem._verdict(numeric, jsonb, boolean);
DROP FUNCTION pgtandem.take_sample(text);
DROP VIEW pgtandem.write_status;
DROP FUNCTION pgtandem._writes_of(regclass);
DROP TABLE pgtandem.sample;

COMMIT;
