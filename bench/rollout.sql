-- An application's accounts, some of them with a payment, and flags of each kind.
CREATE SCHEMA app;
CREATE TABLE app.account (id bigint PRIMARY KEY, name text NOT NULL, registered timestamptz NOT NULL);
INSERT INTO app.account
SELECT n, md5(n::text), now() - n * interval '1 minute' FROM generate_series(1, 100000) AS n;
CREATE TABLE app.payment (account bigint PRIMARY KEY, paid_at timestamptz NOT NULL);
INSERT INTO app.payment SELECT n, now() FROM generate_series(1, 100000, 2) AS n;

CREATE FUNCTION app.has_paid(p_user text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM app.payment WHERE account = p_user::bigint);
END;

SELECT pgtandem.set_flag('other ' || n, 'on') FROM generate_series(1, 50) AS n;
SELECT pgtandem.set_flag('off', 'off');
SELECT pgtandem.set_flag('percentage', 20);
SELECT pgtandem.set_flag('allow', 0);
SELECT pgtandem.set_flag('cohort', 0);
SELECT pgtandem.set_flag_users('allow', 'allow', array_agg(n::text))
FROM generate_series(1, 100000, 10) AS n;
SELECT pgtandem.add_cohort('cohort', 'app.has_paid');
VACUUM (FREEZE, ANALYZE);
