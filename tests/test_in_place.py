"""The target is the source itself: a column renamed, retyped, split, made NOT NULL."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from mappings import build
from test_joins import call, differences

LEGACY = """
CREATE SCHEMA shop;
CREATE TABLE shop.person (
    id integer PRIMARY KEY, name text, cents integer, seen integer DEFAULT 0,
    full_name text, price numeric(12, 2), first text, last text, state text NOT NULL DEFAULT 'new'
);
INSERT INTO shop.person (id, name, cents)
SELECT n, 'Ada ' || n, n FROM generate_series(1, 3000) AS n;
"""

RENAME = """
mapping: renamed
source:
  table: shop.person
  columns: {id: integer, name: text}
target:
  table: shop.person
  columns: {id: integer, full_name: text}
key: [id]
columns: {id: id, full_name: name}
"""

RETYPE = """
mapping: retyped
source:
  table: shop.person
  columns: {id: integer, cents: integer}
target:
  table: shop.person
  columns: {id: integer, price: "numeric(12, 2)"}
key: [id]
columns:
  id: id
  price: {from: cents / 100.0, back: {cents: price * 100}}
"""

SPLIT = """
mapping: split
source:
  table: shop.person
  columns: {id: integer, name: text}
target:
  table: shop.person
  columns: {id: integer, first: text, last: text}
key: [id]
columns:
  id: id
  first: {from: "split_part(name, ' ', 1)", back: {name: "first || ' ' || last"}}
  last: {from: "split_part(name, ' ', 2)", back: none}
"""


def row(dsn: str, columns: str, key: int = 1) -> tuple[Any, ...]:
    with psycopg.connect(dsn) as connection:
        found = connection.execute(f"SELECT {columns} FROM shop.person WHERE id = {key}".encode())
        return found.fetchone()  # type: ignore[return-value]


@pytest.mark.parametrize("yaml", [RENAME, RETYPE, SPLIT], ids=["rename", "retype", "split"])
def test_the_road(dsn: str, yaml: str) -> None:
    built = build(dsn, yaml, LEGACY)
    schema = f"pgtandem_{built.mapping.name}"
    assert len(differences(dsn, schema)) == 3000
    call(dsn, f"CALL pgtandem.backfill('{built.mapping.name}')")
    built.deploy("backfill")
    assert differences(dsn, schema) == []
    call(dsn, "UPDATE shop.person SET name = 'Bob ' || id, cents = 7 WHERE id % 2 = 0")
    call(dsn, "INSERT INTO shop.person (id, name, cents) VALUES (5000, 'Eve X', 5)")
    assert differences(dsn, schema) == []
    built.revert("backfill", "sync", "expand")


def test_the_new_application_writes_a_row_that_is_not_copied_yet(dsn: str) -> None:
    build(dsn, SPLIT, LEGACY)
    call(dsn, "UPDATE shop.person SET name = 'Ada Marie L' WHERE id = 2")
    call(dsn, "UPDATE shop.person SET last = 'Lovelace' WHERE id = 1")
    assert row(dsn, "name, first, last") == ("Ada Lovelace", "Ada", "Lovelace")
    call(dsn, "UPDATE shop.person SET seen = 1 WHERE id = 2")
    assert row(dsn, "name, first, last", 2) == ("Ada Marie L", "Ada", "Marie")


def test_the_way_back(dsn: str) -> None:
    build(dsn, SPLIT, LEGACY)
    call(dsn, "CALL pgtandem.backfill('split')")
    call(dsn, "UPDATE shop.person SET last = 'Lovelace' WHERE id = 1")
    assert row(dsn, "name, first, last") == ("Ada Lovelace", "Ada", "Lovelace")
    call(dsn, "UPDATE shop.person SET first = 'Augusta', last = 'King' WHERE id = 1")
    assert row(dsn, "name, first, last") == ("Augusta King", "Augusta", "King")
    call(dsn, "INSERT INTO shop.person (id, first, last) VALUES (7000, 'Grace', 'Hopper')")
    assert row(dsn, "name, first, last", 7000) == ("Grace Hopper", "Grace", "Hopper")
    with pytest.raises(psycopg.Error) as caught:
        call(dsn, "UPDATE shop.person SET first = 'Mary Ann' WHERE id = 1")
    assert caught.value.sqlstate == "TD011"


STAMP = """
CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.seen := NEW.seen + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER stamp BEFORE UPDATE ON shop.person FOR EACH ROW EXECUTE FUNCTION shop.stamp();
"""


def test_own_triggers_change_nothing_else_of_what_is_copied(dsn: str) -> None:
    build(dsn, RENAME, LEGACY + STAMP)
    call(dsn, "CALL pgtandem.backfill('renamed')")
    assert row(dsn, "full_name, seen") == ("Ada 1", 0)
    call(dsn, "UPDATE shop.person SET name = 'Bea' WHERE id = 1")
    assert row(dsn, "full_name, seen") == ("Bea", 1)


def test_rows_older_than_a_column_with_a_default(dsn: str) -> None:
    # Assigning to a field of such a row makes PL/pgSQL free a value of PostgreSQL's own cache,
    # which then gets an entry more for each row, and each look at it takes longer.
    late = LEGACY + "ALTER TABLE shop.person ADD COLUMN kind varchar(20) DEFAULT 'encounter';"
    yaml = RENAME.replace("full_name: text", "full_name: text, kind: varchar(20)").replace(
        "full_name: name",
        "full_name: name, kind: {initial: \"'known'\", unset: kind = 'encounter'}",
    )
    build(dsn, yaml, late)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE shop.person SET name = 'Bea' WHERE id <= 1000")
        connection.execute("CALL pgtandem.backfill('renamed')")
        found = connection.execute("SELECT DISTINCT kind FROM shop.person").fetchall()
        cache = connection.execute(
            "SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'Missing Values Cache'"
        ).fetchall()
    assert found == [("known",)]
    assert not cache or cache[0][0] < 32_768


PARTITIONED = """
CREATE SCHEMA shop;
CREATE TABLE shop.person (
    id integer, name text, cents integer, seen integer DEFAULT 0,
    full_name text, price numeric(12, 2), first text, last text, state text NOT NULL DEFAULT 'new',
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE shop.low PARTITION OF shop.person FOR VALUES FROM (0) TO (100);
CREATE TABLE shop.high (
    gone integer, state text NOT NULL DEFAULT 'new', last text, first text, price numeric(12, 2),
        full_name text,
    seen integer DEFAULT 0, cents integer, name text, id integer NOT NULL PRIMARY KEY
);
ALTER TABLE shop.high DROP COLUMN gone;
ALTER TABLE shop.person ATTACH PARTITION shop.high FOR VALUES FROM (100) TO (100000);
INSERT INTO shop.person (id, name, cents)
SELECT n, 'Ada ' || n, n FROM generate_series(1, 300) AS n;
"""


@pytest.mark.parametrize("yaml", [RENAME, SPLIT], ids=["rename", "split"])
def test_partitions_with_their_columns_in_another_order(dsn: str, yaml: str) -> None:
    built = build(dsn, yaml, PARTITIONED + STAMP)
    schema = f"pgtandem_{built.mapping.name}"
    call(dsn, "UPDATE shop.person SET name = 'Bob ' || id WHERE id IN (2, 102)")
    call(dsn, f"CALL pgtandem.backfill('{built.mapping.name}')")
    built.deploy("backfill")
    assert differences(dsn, schema) == []
    call(dsn, "UPDATE shop.person SET name = 'Eve ' || id WHERE id IN (3, 103)")
    call(
        dsn,
        (
            "INSERT INTO shop.person (id, name) VALUES (9, 'New A'), (999, 'New A') ON CONFLICT "
            "(id) DO UPDATE SET name = excluded.name"
        ),
    )
    call(dsn, "UPDATE shop.person SET id = id + 500 WHERE id = 4")
    assert differences(dsn, schema) == []
    assert row(dsn, "name, cents, seen, state", 200) == ("Ada 200", 200, 0, "new")
    assert row(dsn, "name, cents, seen, state", 103) == ("Eve 103", 103, 1, "new")
