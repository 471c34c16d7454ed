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
DROP FUNCTION pgtandem._figures(text, bigint);
DROP FUNCTION pgtandem.take_sample(text);
DROP TABLE pgtandem.sample;

COMMIT;
