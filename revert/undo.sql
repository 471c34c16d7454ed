-- Revert pgtandem:undo from pg
-- Sqitch refuses it while a mapping is deployed that requires it: revert the mapping first.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.layout') IS NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

DROP FUNCTION pgtandem.drop_pre_images(text);
DROP FUNCTION pgtandem._require_references(regclass);
DROP FUNCTION pgtandem._undo_to_go(text);
DROP FUNCTION pgtandem._undo_alone(text);
DROP FUNCTION pgtandem._close_undo(text);
DROP FUNCTION pgtandem._free_pre_images(regclass);
DROP FUNCTION pgtandem.pre_image_size(text);
DROP FUNCTION pgtandem._refuse_write(text, name);
DROP FUNCTION pgtandem._adopt(text[], anyelement, xid, xid);
DROP FUNCTION pgtandem._references(regclass);
DROP FUNCTION pgtandem._acting_keys(regclass);
DROP FUNCTION pgtandem._overlay(text, jsonb, text, jsonb);
DROP FUNCTION pgtandem._fields(text);
DROP FUNCTION pgtandem._layout(text, oid);
DROP FUNCTION pgtandem._columns_now(regclass);
DROP FUNCTION pgtandem._columns_of(regclass);
DROP TABLE pgtandem.layout;

COMMIT;
