-- Verify mongo_tasks:users_expand on pg
--
-- Rendered by pgtandem 0.1.0 from the mapping "users", SHA-256 cd0533f7a0975394.
-- Change the mapping and render again, not this file: "pgtandem render --check" compares them.
--
-- Raises where a piece of the phase is missing, or is not of this mapping.
--
-- Locks: nothing.

BEGIN;

SELECT mongo_id, id, email, hashed_password, fullname, roles, is_active, created_at,
    updated_at FROM pgtandem_users.image WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_users.compared() WHERE false;
SELECT in_source, in_target, changed FROM pgtandem_users.compared_keys('[]');
SELECT name, found FROM pgtandem_users.checked('') WHERE false;
SELECT _id, document FROM app.users_documents WHERE false;
DO $do$
BEGIN
    PERFORM pgtandem.require_hash('users',
        'cd0533f7a0975394912624445a321ee39e454afe08c823a65215727fb4b44ba3');
END;
$do$;

ROLLBACK;
