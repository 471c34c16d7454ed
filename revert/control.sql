-- Revert pgtandem:control from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.pause(text, text)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.retry(text, text);
DROP FUNCTION pgtandem.resume(text, text);
DROP FUNCTION pgtandem.pause(text, text);

COMMIT;
