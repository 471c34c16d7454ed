"""After contract: the view in the old table's place, and what its revert must not change."""

from __future__ import annotations

import re
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


@pytest.mark.both
def test_who_might_insert_still_may(crm: Any, dsn: str, as_user: Any) -> None:
    """Also where the key is an identity, and whatever was granted since goes back."""
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("GRANT USAGE ON SCHEMA shop TO old_app, new_app")
        db.execute("GRANT SELECT, INSERT ON shop.customer TO old_app")
        crm.deploy("contract")
        with psycopg.connect(as_user(dsn, "old_app"), autocommit=True) as old:
            added = "INSERT INTO shop.customer (name) VALUES ('late') RETURNING id"
            assert rows(old, added) == [(31,)]
        db.execute("GRANT SELECT ON shop.customer TO new_app")
        db.execute("REVOKE INSERT ON shop.customer FROM old_app")
        crm.revert("contract")
    with psycopg.connect(as_user(dsn, "new_app"), autocommit=True) as new:
        assert rows(new, "SELECT name FROM shop.customer WHERE id = 31") == [("late",)]
    with (
        psycopg.connect(as_user(dsn, "old_app"), autocommit=True) as old,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        old.execute("INSERT INTO shop.customer (name) VALUES ('no more')")


OWNED = (
    LEGACY.replace("seen_at integer DEFAULT 0\n", "seen_at integer DEFAULT 0, owner integer\n")
    .replace("tier text\n", "tier text, owner integer\n")
    .replace("(name, email, vip)", "(name, email, vip, owner)")
    .replace("THEN false END", "THEN false END, n % 3")
    .replace("CREATE TABLE shop.customer", "CREATE TABLE shop.owner (id integer PRIMARY KEY);\n"
             "INSERT INTO shop.owner VALUES (0), (1), (2), (3), (4);\nCREATE TABLE shop.customer")
)  # fmt: skip
OWNERS = (
    MAPPING.replace("seen_at: integer", "seen_at: integer, owner: integer")
    .replace("tier: text}", "tier: text, owner: integer}")
    .replace("  name: name", "  name: name\n  owner: owner")
)
POINTS = "FOREIGN KEY (owner) REFERENCES shop.owner"


@pytest.fixture
def owned(dsn: str, tmp_path: Path) -> Any:
    """Customers have an owner, and go with it."""
    legacy = f"{OWNED}ALTER TABLE shop.customer ADD {POINTS} ON DELETE CASCADE;"
    built = build(dsn, OWNERS, legacy, ("expand", "sync", "backfill"), directory=tmp_path)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CALL pgtandem.compare('crm')")
    return built


@pytest.mark.both
@pytest.mark.parametrize("first", ["source", "target"])
def test_a_cascade_goes_by_the_new_table(owned: Any, dsn: str, first: str) -> None:
    """Its rows may have other owners now; those that stay keep what only the old table has."""
    with psycopg.connect(dsn, autocommit=True) as db:
        with pytest.raises(
            AssertionError, match=r"cascades .customer_owner_fkey of shop\.customer"
        ):
            owned.deploy("contract")
        db.execute(f"ALTER TABLE crm.person ADD {POINTS} ON DELETE CASCADE".encode())
        if first == "target":  # foreign keys act in the order in which they were made
            db.execute("ALTER TABLE shop.customer DROP CONSTRAINT customer_owner_fkey")
            db.execute(f"ALTER TABLE shop.customer ADD {POINTS} ON DELETE CASCADE".encode())
        db.execute("UPDATE shop.customer SET seen_at = 100 + id")
        owned.deploy("contract")
        db.execute("UPDATE crm.person SET owner = 3 WHERE id = 4")  # was 1
        db.execute("UPDATE crm.person SET owner = 1 WHERE id = 5")  # was 2
        db.execute("DELETE FROM shop.owner WHERE id = 1")
        kept = [n for n in range(1, 31) if (n % 3 != 1 and n != 5) or n == 4]
        for table in ("shop.customer", "crm.person"):
            assert rows(db, f"SELECT id FROM {table} ORDER BY id") == [(n,) for n in kept]
        with pytest.raises(psycopg.Error) as refused:
            db.execute("TRUNCATE shop.owner CASCADE")
        assert refused.value.sqlstate == "TD014"
        owned.revert("contract")
        found = rows(db, "SELECT id, owner, seen_at FROM shop.customer ORDER BY id")
        assert found == [(n, 3 if n == 4 else n % 3, 100 + n) for n in kept]
        assert rows(db, "SELECT count(*) FROM pgtandem_crm.compared() WHERE changed") == [(0,)]
        db.execute("DELETE FROM shop.owner WHERE id = 3")
        assert rows(db, "SELECT count(*) FROM shop.customer WHERE id = 4") == [(0,)]


def test_the_archive_holds_on_to_nothing_that_is_deleted(dsn: str, tmp_path: Path) -> None:
    """A row that the new application deletes no longer refers to its owner, whom it deletes next.

    And with a new key it keeps what only the old table has.
    """
    legacy = (
        OWNED.replace("GENERATED ALWAYS AS IDENTITY", "")
        + f"""
        ALTER TABLE shop.customer ADD {POINTS};"""
    )
    legacy = legacy.replace("(name, email, vip, owner)", "(id, name, email, vip, owner)").replace(
        "SELECT 'n'", "SELECT n, 'n'"
    )
    built = build(dsn, OWNERS, legacy, ("expand", "sync", "backfill"), directory=tmp_path)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CALL pgtandem.compare('crm')")
        db.execute("UPDATE shop.customer SET seen_at = 100 + id")
        built.deploy("contract")
        db.execute("DELETE FROM crm.person WHERE owner = 2")
        db.execute("DELETE FROM shop.owner WHERE id = 2")
        db.execute("UPDATE crm.person SET id = 77 WHERE id = 7")
        db.execute("UPDATE shop.customer SET id = 66 WHERE id = 6")
        seen = "SELECT id, seen_at FROM shop.customer WHERE id > 60 ORDER BY id"
        assert rows(db, seen) == [(66, 106), (77, 107)]
        built.revert("contract")
        assert rows(db, seen) == [(66, 106), (77, 107)]
        assert rows(db, "SELECT count(*) FROM shop.customer") == [(20,)]


@pytest.mark.both
def test_stored_generated_columns(dsn: str, tmp_path: Path) -> None:
    """The view shows them, of whatever row and whoever wrote it last, and writes them nowhere."""
    legacy = LEGACY.replace(
        "seen_at integer DEFAULT 0",
        "seen_at integer DEFAULT 0,"
        " full_name text GENERATED ALWAYS AS (name || ' <' || email || '>') STORED,"
        " twice integer GENERATED ALWAYS AS (2 * seen_at) STORED",
    ).replace("tier text\n", "tier text, full_name text\n")
    more = "seen_at: integer, full_name: text, twice: integer"
    mapping = (
        MAPPING.replace("seen_at: integer", more)
        .replace("tier: text}", "tier: text, full_name: text}")
        .replace("  name: name", "  name: name\n  full_name: {from: full_name, back: none}")
        .replace("lower(email)", "email")
    )
    phases = ("expand", "sync", "backfill")
    built = build(dsn, mapping, legacy, phases, directory=tmp_path)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CALL pgtandem.compare('crm')")
        with pytest.raises(AssertionError, match="do not agree") as refused:
            built.deploy("contract")
        generated = re.search(r"contract: {(generated: .*})}", str(refused.value))
        assert generated
        given = mapping.replace("_archive}", "_archive, " + generated[1] + "}")
        built = build(dsn, given, "", (), directory=tmp_path)
        everything = "SELECT id, name, full_name, twice, seen_at FROM shop.customer ORDER BY id"
        before = rows(db, everything)
        built.deploy("contract")
        assert rows(db, everything) == before
        one = "SELECT full_name, twice FROM shop.customer WHERE id = {}"
        db.execute(
            "UPDATE crm.person SET name = 'new', full_name = 'new <User1@Ex.org>' WHERE id = 1"
        )
        assert rows(db, one.format(1)) == [("new <User1@Ex.org>", 0)]
        db.execute("UPDATE shop.customer SET name = 'old', seen_at = 4 WHERE id = 2")
        db.execute("INSERT INTO shop.customer (name, email, seen_at) VALUES ('x', 'y', 5)")
        assert rows(db, one.format(2)) == [("old <User2@Ex.org>", 8)]
        assert rows(db, one.format(31)) == [("x <y>", 10)]
        person = "SELECT full_name FROM crm.person WHERE id IN (2, 31) ORDER BY id"
        assert rows(db, person) == [("old <User2@Ex.org>",), ("x <y>",)]
        written = rows(db, everything)
        built.revert("contract")
        assert rows(db, everything) == written


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
