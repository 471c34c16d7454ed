"""The fixtures themselves: what every other test leans on."""

from __future__ import annotations

import psycopg
import pytest

from helpers import OWNER, Session


@pytest.mark.both
def test_the_engine_is_deployed_by_an_ordinary_role(conn):
    row = conn.execute(
        "SELECT current_user, rolsuper, to_regnamespace('pgtandem') IS NOT NULL,"
        " to_regprocedure('plan(integer)') IS NULL"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row == (OWNER, False, True, True)


@pytest.mark.both
def test_a_session_is_seen_to_wait(empty_dsn):
    with Session(empty_dsn) as one, Session(empty_dsn) as two:
        one.run("CREATE SCHEMA s")
        one.run("CREATE TABLE s.t AS SELECT 1 AS a")
        one.run("BEGIN")
        one.run("UPDATE s.t SET a = 2")
        two.send("UPDATE s.t SET a = a + 1")
        two.waits_for_lock(one)
        assert not two.is_done()
        one.run("COMMIT")
        two.result()
        assert two.value("SELECT a FROM s.t") == 3
        with pytest.raises(psycopg.errors.DivisionByZero):
            two.run("SELECT 1 / 0")
