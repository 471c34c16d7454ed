"""After contract: the view in the old table's place, and what its revert must not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from helpers import Session
from mappings import build

LEGACY = """
CREATE SCHEMA shop; CREATE SCHEMA crm;
CREATE TABLE shop.customer (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, email text, vip boolean,
    seen_at integer DEFAULT 0
);
CREATE TABLE crm.person (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, email text, tier text
);
INSERT INTO shop.customer (name, email, vip)
SELECT 'n' || n, 'User' || n || '@Ex.org', CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END
FROM generate_series(1, 30) AS n;
"""
MAPPING = """
mapping: crm
source:
  table: shop.customer
  columns: {id: integer, name: text, email: text, vip: boolean, seen_at: integer}
target:
  table: crm.person
  columns: {id: integer, name: text, email: text, tier: text}
key: [id]
columns:
  id: id
  name: name
  email: {from: lower(email), back: {email: email}}
  tier: {from: "CASE WHEN vip THEN 'gold' ELSE 'plain' END", back: {vip: "tier = 'gold'"}}
contract: {archive: shop_archive}
"""


@pytest.fixture
def crm(dsn: str, tmp_path: Path) -> Any:
    built = build(dsn, MAPPING, LEGACY, ("expand", "sync", "backfill"), directory=tmp_path)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CALL pgtandem.compare('crm')")
    return built


def rows(db: Any, query: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = db.execute(query.encode()).fetchall()
    return found


@pytest.mark.both
def test_identity_keys_and_values_that_only_look_different(crm: Any, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("UPDATE crm.person SET name = 'early' WHERE id = 14")
        db.execute(
            "INSERT INTO crm.person (id, name, email, tier)"
            " OVERRIDING SYSTEM VALUE VALUES (100, 'new', 'new@ex.org', 'plain')"
        )
        before = rows(db, "TABLE shop.customer ORDER BY id")
        crm.deploy("contract")
        # Written since: only what was written may be other than before.
        db.execute("UPDATE crm.person SET tier = 'gold' WHERE id = 16")
        db.execute("UPDATE crm.person SET name = 'later' WHERE id = 17")
        db.execute("UPDATE shop.customer SET seen_at = 7 WHERE id = 11")
        crm.revert("contract")
        after = rows(db, "TABLE shop.customer ORDER BY id")
        expected = {row[0]: list(row) for row in before}
        expected[16][3] = True
        expected[17][1] = "later"
        expected[11][4] = 7
        assert after == sorted(tuple(row) for row in expected.values())
        assert rows(db, "SELECT count(*) FROM pgtandem_crm.compared() WHERE changed") == [(0,)]


def test_the_view_looks_again_at_a_row_that_it_waited_for(crm: Any, dsn: str) -> None:
    crm.deploy("contract")
    with Session(dsn) as one, Session(dsn) as two:
        one.run("BEGIN")
        one.run("UPDATE crm.person SET name = 'precious' WHERE id = 3")
        two.send("DELETE FROM shop.customer WHERE id = 3 AND name = 'n3'").waits_for_lock(one)
        one.run("COMMIT")
        with pytest.raises(psycopg.errors.SerializationFailure):
            two.result()
        assert two.value("SELECT name FROM shop.customer WHERE id = 3") == "precious"

        one.run("BEGIN")
        one.run("UPDATE shop.customer SET seen_at = 99 WHERE id = 4")
        two.send("UPDATE shop.customer SET name = 'other' WHERE id = 4").waits_for_lock(one)
        one.run("COMMIT")
        two.result()
        assert two.run("SELECT name, seen_at FROM shop.customer WHERE id = 4") == [("other", 99)]


def test_who_owned_the_old_table_may_still_use_it(dsn: str, tmp_path: Path, as_user: Any) -> None:
    built = build(dsn, MAPPING, LEGACY, ("expand",), directory=tmp_path)
    with psycopg.connect(as_user(dsn, "postgres"), autocommit=True) as admin:
        admin.execute("GRANT old_app TO pgtandem_owner")
        admin.execute("GRANT USAGE, CREATE ON SCHEMA shop TO old_app")
        admin.execute("ALTER TABLE shop.customer OWNER TO old_app")
    built.deploy("sync", "backfill")
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CALL pgtandem.compare('crm')")
    built.deploy("contract")
    with psycopg.connect(as_user(dsn, "old_app"), autocommit=True) as old:
        old.execute("UPDATE shop.customer SET name = 'mine' WHERE id = 1")
        assert rows(old, "SELECT name FROM shop.customer WHERE id = 1") == [("mine",)]


@pytest.mark.both
def test_no_script_reads_what_is_older_than_its_lock(crm: Any, dsn: str, as_user: Any) -> None:
    """Where the database's default is REPEATABLE READ, a snapshot could come before the lock."""
    with psycopg.connect(as_user(dsn, "postgres"), autocommit=True) as admin:
        name = admin.info.dbname
        setting = "SET default_transaction_isolation = 'repeatable read'"
        admin.execute(f'ALTER DATABASE "{name}" {setting}'.encode())
    crm.deploy("contract")
    with Session(dsn) as new, Session(dsn) as watch:
        new.run("BEGIN ISOLATION LEVEL READ COMMITTED")
        new.run("UPDATE crm.person SET name = 'LATE' WHERE id = 5")
        reverting = watch._pool.submit(crm.revert, "contract")
        while not new.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'crm.person'::regclass"
        ):
            assert not reverting.done(), reverting.result()
        new.run("COMMIT")
        reverting.result(60)
    with psycopg.connect(dsn, autocommit=True) as db:
        assert rows(db, "SELECT name FROM shop.customer WHERE id = 5") == [("LATE",)]
        assert rows(db, "SELECT count(*) FROM pgtandem.recheck") == [(0,)]
        db.execute("CALL pgtandem.backfill('crm')")


def test_a_virtual_generated_column_is_refused(dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn) as db:
        if db.info.server_version < 180000:
            pytest.skip("virtual generated columns came with PostgreSQL 18")
    legacy = (
        LEGACY.replace("vip boolean,", "vip boolean GENERATED ALWAYS AS (id > 5),")
        .replace("(name, email, vip)", "(name, email)")
        .replace(", CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END", "")
    )
    with pytest.raises(AssertionError, match="virtual generated"):
        build(dsn, MAPPING, legacy, directory=tmp_path)
