-- Revert pgtandem:dress_view from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regprocedure('pgtandem.dress_view(regclass, regclass)') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.undress_view(regclass, regclass);
DROP FUNCTION pgtandem.dress_view(regclass, regclass);
DROP FUNCTION pgtandem._copy_comments(regclass, regclass);
DROP FUNCTION pgtandem._copy_grants(regclass, regclass);
DROP FUNCTION pgtandem._grants(regclass);

COMMIT;
