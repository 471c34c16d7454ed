-- Verify pgtandem:fit on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem._fit_orphans(text)'::regprocedure;
SELECT 'pgtandem._fit_total(text)'::regprocedure;
SELECT 'pgtandem._fit_rows(text, integer)'::regprocedure;
SELECT 'pgtandem._fit_key(text, regclass, tid)'::regprocedure;
SELECT 'pgtandem.fit(text, integer)'::regprocedure;

ROLLBACK;
