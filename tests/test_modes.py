"""What a mapping may choose: strict or record, one way or both, what a TRUNCATE does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from helpers import psql
from mappings import build

LEGACY = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.item (id integer PRIMARY KEY, name text, price numeric, seen integer);
CREATE TABLE new.item (
    id integer PRIMARY KEY, title text CHECK (title <> 'cursed'), cents bigint,
    owner text NOT NULL DEFAULT 'nobody'
);
INSERT INTO old.item SELECT n, 'item ' || n, n / 4.0, 0 FROM generate_series(1, 200) AS n;
"""

MAPPING = """
mapping: items
source: {{table: old.item, columns: {{id: integer, name: text, price: numeric, seen: integer}}}}
target: {{table: new.item, columns: {{id: integer, title: text, cents: bigint, owner: text}}}}
key: [id]
columns:
  id: id
  title: name
  cents: {{from: "(price * 100)::bigint", back: {{price: "cents / 100.0"}}}}
  owner: {{initial: "'migrated'"}}
sync: {{{sync}}}
"""


def items(dsn: str, where: Path, sync: str, *phases: str) -> Any:
    return build(dsn, MAPPING.format(sync=sync), LEGACY, phases, directory=where)


def one(db: psycopg.Connection[Any], query: str) -> Any:
    row = db.execute(query.encode()).fetchone()
    assert row
    return row[0] if len(row) == 1 else row


@pytest.mark.both
def test_strict_fails_the_write_and_stores_nothing(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    items(dsn, tmp_path, "mode: strict", "expand", "sync", "backfill")
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("UPDATE old.item SET name = 'cursed' WHERE id = 7")
    assert one(conn, "SELECT name FROM old.item WHERE id = 7") == "item 7"
    assert one(conn, "SELECT count(*) FROM pgtandem.recheck") == 0
    conn.execute("UPDATE old.item SET name = 'blessed' WHERE id = 7")
    assert one(conn, "SELECT title FROM new.item WHERE id = 7") == "blessed"


def test_record_stores_the_failure_and_lets_the_write_pass(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    items(dsn, tmp_path, "mode: record", "expand", "sync", "backfill")
    conn.execute("UPDATE old.item SET name = 'cursed' WHERE id IN (7, 8)")
    assert one(conn, "SELECT count(*) FROM old.item WHERE name = 'cursed'") == 2
    failures = conn.execute("SELECT key, sqlstate FROM pgtandem.failures ORDER BY key").fetchall()
    assert failures == [([7], "23514"), ([8], "23514")]
    conn.execute("UPDATE old.item SET name = 'blessed' WHERE id = 7")
    conn.execute("ALTER TABLE new.item DROP CONSTRAINT item_title_check")
    conn.execute("SELECT pgtandem.retry('items')")
    conn.execute("CALL pgtandem.drain('items')")
    assert one(conn, "SELECT count(*) FROM pgtandem.recheck") == 0
    assert one(conn, "SELECT count(*) FROM pgtandem.sync_failure WHERE repaired_at IS NULL") == 0
    rows = conn.execute("SELECT id, title FROM new.item WHERE id IN (7, 8) ORDER BY id").fetchall()
    assert rows == [(7, "blessed"), (8, "cursed")]


@pytest.mark.both
@pytest.mark.parametrize("mode", ["record", "strict"])
def test_constraints_that_are_checked_at_commit(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path, mode: str
) -> None:
    """They would fail the old application's commit, which only strict may do."""
    built = items(dsn, tmp_path, f"mode: {mode}", "expand")
    conn.execute("CREATE TABLE new.owner (name text PRIMARY KEY)")
    conn.execute("ALTER TABLE new.item ADD FOREIGN KEY (owner) REFERENCES new.owner DEFERRABLE")
    if mode == "record":
        with pytest.raises(AssertionError, match="may be checked at commit only"):
            psql(tmp_path / "deploy/items_sync.sql", dsn)
        assert one(conn, "SELECT phase FROM pgtandem.mapping") == "expand"
        conn.execute("ALTER TABLE new.item ALTER CONSTRAINT item_owner_fkey NOT DEFERRABLE")
        built.deploy("sync")
        conn.execute("ALTER TABLE new.item ALTER CONSTRAINT item_owner_fkey DEFERRABLE")
        with pytest.raises(AssertionError, match="may be checked at commit only"):
            psql(tmp_path / "verify/items_sync.sql", dsn)
        return
    built.deploy("sync")
    with conn.transaction():
        conn.execute("SET CONSTRAINTS ALL DEFERRED")
        conn.execute("UPDATE old.item SET name = 'late' WHERE id = 7")
        conn.execute("INSERT INTO new.owner VALUES ('migrated')")
    assert one(conn, "SELECT title FROM new.item WHERE id = 7") == "late"


@pytest.mark.both
def test_one_way_leaves_the_source_alone(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    built = items(dsn, tmp_path, "ways: forward", "expand", "sync", "backfill")
    conn.execute("UPDATE old.item SET price = 12.34 WHERE id = 3")
    assert one(conn, "SELECT cents, owner FROM new.item WHERE id = 3") == (1234, "migrated")
    conn.execute("UPDATE new.item SET title = 'only here' WHERE id = 4")
    assert one(conn, "SELECT name FROM old.item WHERE id = 4") == "item 4"
    conn.execute("CALL pgtandem.compare('items')")
    assert one(conn, "SELECT changed FROM pgtandem.comparison ORDER BY id DESC LIMIT 1") == 1
    with pytest.raises(AssertionError, match="comparison_clean"):
        built.deploy("contract")
    built.revert("backfill", "sync", "expand")


def test_both_ways_with_an_expression(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    items(dsn, tmp_path, "ways: both", "expand", "sync", "backfill")
    conn.execute("UPDATE new.item SET cents = 999 WHERE id = 5")
    assert one(conn, "SELECT price = 9.99 FROM old.item WHERE id = 5")
    conn.execute("INSERT INTO new.item (id, title, cents) VALUES (500, 'new', 100)")
    assert one(conn, "SELECT name, price = 1 FROM old.item WHERE id = 500") == ("new", True)
    conn.execute("UPDATE old.item SET price = 0.5 WHERE id = 500")
    assert one(conn, "SELECT cents FROM new.item WHERE id = 500") == 50
    conn.execute("CALL pgtandem.compare('items')")
    assert one(
        conn, "SELECT missing + extra + changed FROM pgtandem.comparison ORDER BY id DESC LIMIT 1"
    ) == 0  # fmt: skip


def test_a_truncate_is_refused_unless_the_mapping_follows_it(
    make_database: Any, engine_template: str, tmp_path: Path
) -> None:
    refusing, following = make_database(engine_template), make_database(engine_template)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    items(refusing, tmp_path / "a", "truncate: refuse", "expand", "sync", "backfill")
    items(following, tmp_path / "b", "truncate: follow", "expand", "sync", "backfill")
    with psycopg.connect(refusing, autocommit=True) as db:
        for table in ("old.item", "new.item"):
            with pytest.raises(psycopg.Error) as refused:
                db.execute(f"TRUNCATE {table}".encode())
            assert refused.value.sqlstate == "TD014"
        assert one(db, "SELECT count(*) FROM new.item") == 200
    with psycopg.connect(following, autocommit=True) as db:
        db.execute("TRUNCATE old.item")
        assert one(db, "SELECT count(*) FROM new.item") == 0
        db.execute("INSERT INTO old.item VALUES (1, 'again', 1, 0)")
        assert one(db, "SELECT title FROM new.item") == "again"
        with pytest.raises(psycopg.Error):
            db.execute("TRUNCATE new.item")


def test_a_truncate_of_one_partition_takes_its_images_away(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    legacy = LEGACY.replace("seen integer);", "seen integer) PARTITION BY RANGE (id);").replace(
        "INSERT INTO old.item",
        "CREATE TABLE old.low PARTITION OF old.item FOR VALUES FROM (0) TO (101);"
        "CREATE TABLE old.high PARTITION OF old.item FOR VALUES FROM (101) TO (1000);"
        "INSERT INTO old.item",
    )
    mapping = MAPPING.format(sync="truncate: follow")
    build(dsn, mapping, legacy, ("expand", "sync", "backfill"), directory=tmp_path)
    conn.execute("TRUNCATE old.low")
    assert one(conn, "SELECT min(id), count(*) FROM new.item") == (101, 100)
    conn.execute("TRUNCATE old.item")
    assert one(conn, "SELECT count(*) FROM new.item") == 0


def triggers(db: psycopg.Connection[Any], table: str) -> list[str]:
    """The names of the triggers of a table that fire, in the order in which they do."""
    rows = db.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled <> 'D' "
        "AND NOT tgisinternal ORDER BY tgname",
        (table,),
    )
    return [name for (name,) in rows]


LONG = 'der "Übergang" ' * 10


@pytest.mark.parametrize("name", ["trigger_sync_account_to_profile", LONG])
def test_the_triggers_on_the_source_have_the_name_that_the_mapping_gives(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path, name: str
) -> None:
    built = items(
        dsn, tmp_path, f"trigger: {name!r}, truncate: follow", "expand", "sync", "backfill"
    )
    found = triggers(conn, "old.item")
    prefix = found[0].removesuffix("_truncate")
    assert prefix == name or (len(found[0].encode()) <= 63 and name.startswith(prefix[:30]))
    assert found == [f"{prefix}_truncate", f"{prefix}_update", f"{prefix}_write"]
    assert [each[:15] for each in triggers(conn, "new.item")] == ["pgtandem_items_"] * 3
    conn.execute("UPDATE old.item SET name = 'known' WHERE id = 7")
    assert one(conn, "SELECT title FROM new.item WHERE id = 7") == "known"
    conn.execute("CALL pgtandem.compare('items')")
    built.deploy("contract")
    guards = ["pgtandem_items_keep", "pgtandem_items_keep_all"]
    assert triggers(conn, "pgtandem_archive.item") == guards
    built.revert("contract")
    assert triggers(conn, "old.item") == found
    conn.execute("UPDATE old.item SET name = 'again' WHERE id = 7")
    assert one(conn, "SELECT title FROM new.item WHERE id = 7") == "again"
    built.revert("backfill")
    assert f"{prefix}_moved" in triggers(conn, "old.item")
    built.revert("sync", "expand")
    assert triggers(conn, "old.item") == triggers(conn, "new.item") == []


def test_a_trigger_of_somebody_else_is_not_replaced(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    built = items(dsn, tmp_path, "trigger: audit", "expand")
    conn.execute(
        "CREATE FUNCTION old.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    conn.execute(
        "CREATE TRIGGER audit_write AFTER INSERT ON old.item"
        " FOR EACH ROW EXECUTE FUNCTION old.nothing()"
    )
    with pytest.raises(AssertionError, match=r"triggers of these names that are not of this"):
        built.deploy("sync")
    assert triggers(conn, "old.item") == ["audit_write"]
    conn.execute("DROP TRIGGER audit_write ON old.item")
    built.deploy("sync")
    built.deploy("sync")  # as after a kill before Sqitch noted it
