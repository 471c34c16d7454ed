-- Verify pgtandem:undo on pg
-- Raises where a piece is missing.

BEGIN;

SELECT 'pgtandem.layout'::regclass;
SELECT 'pgtandem._columns_of(regclass)'::regprocedure;
SELECT 'pgtandem._columns_now(regclass)'::regprocedure;
SELECT 'pgtandem._layout(text, oid)'::regprocedure;
SELECT 'pgtandem._fields(text)'::regprocedure;
SELECT 'pgtandem._overlay(text, jsonb, text, jsonb)'::regprocedure;
SELECT 'pgtandem._acting_keys(regclass)'::regprocedure;
SELECT 'pgtandem._references(regclass)'::regprocedure;
SELECT 'pgtandem._refuse_write(text, name)'::regprocedure;
SELECT 'pgtandem._adopt(text[], anyelement, xid, xid)'::regprocedure;
SELECT 'pgtandem.pre_image_size(text)'::regprocedure;
SELECT 'pgtandem._close_undo(text)'::regprocedure;
SELECT 'pgtandem._require_references(regclass)'::regprocedure;
SELECT 'pgtandem._undo_to_go(text)'::regprocedure;
SELECT 'pgtandem._undo_alone(text)'::regprocedure;
SELECT 'pgtandem._free_pre_images(regclass)'::regprocedure;
SELECT 'pgtandem.drop_pre_images(text)'::regprocedure;

ROLLBACK;
