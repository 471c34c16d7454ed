-- Verify pgtandem:require on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem.require_hash(text, text)'::regprocedure;
SELECT 'pgtandem.require_unique(regclass, text[])'::regprocedure;
SELECT 'pgtandem.require_reads(regclass, regclass, text[])'::regprocedure;
SELECT 'pgtandem.require_determined(regclass, regclass[])'::regprocedure;
SELECT 'pgtandem.require_generated(regclass, text[])'::regprocedure;
SELECT 'pgtandem.require_immediate(regclass)'::regprocedure;
SELECT 'pgtandem.require_trigger(regclass, text)'::regprocedure;
SELECT 'pgtandem.require_own_triggers(regclass, regnamespace, text[])'::regprocedure;
SELECT 'pgtandem.require_last(regclass, text)'::regprocedure;
SELECT 'pgtandem.require_index(regclass, text[])'::regprocedure;
SELECT 'pgtandem.require_deletable(regclass, regclass)'::regprocedure;
SELECT 'pgtandem.is_default(regclass, text, text)'::regprocedure;
SELECT 'pgtandem.require_complete(text)'::regprocedure;

ROLLBACK;
