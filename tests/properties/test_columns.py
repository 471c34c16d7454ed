"""Contract on columns and back: as if it had never been, plus what was written meanwhile.

Each write goes to two databases: in one the columns leave and come back around it, in the other the
sync simply goes on. Where one of the two refuses a write, neither makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from helpers import OWNER, psql
from mappings import Built, build
from properties.world import connect

LEGACY = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.item (
    id integer, part integer, name varchar(8) DEFAULT 'none', code text, at timestamptz,
    size numeric(6, 2), doc jsonb, state text NOT NULL DEFAULT 'kept', n integer,
    PRIMARY KEY (id, part)
) WITH (fillfactor = 10);
CREATE TABLE new.item (
    part integer, id integer, title text, code text, at timestamptz, size numeric, doc jsonb,
    state text, stars integer DEFAULT 3, PRIMARY KEY (part, id)
);
INSERT INTO old.item
SELECT n / 3, n % 3, 'n' || n, 'C' || n, timestamptz '2026-01-01' + n * interval '1 s', n / 4.0,
       CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'null' ELSE jsonb_build_object('n', n) END,
       CASE n % 5 WHEN 0 THEN 'gone' ELSE 'kept' END, n
FROM generate_series(3, 50) AS n;
"""
MAPPING = """
mapping: item
source:
  table: old.item
  columns: {id: integer, part: integer, name: varchar(8), code: text, at: timestamptz,
            size: "numeric(6, 2)", doc: jsonb, state: text, n: integer}
  filter: FILTER
target:
  table: new.item
  columns: {part: integer, id: integer, title: text, code: text, at: timestamptz, size: numeric,
            doc: jsonb, state: text, stars: integer}
key: [part, id]
columns:
  part: part
  id: id
  title: name
  code: {from: lower(code), back: {code: upper(code)}}
  at: at
  size: size
  doc: doc
  stars: {initial: "n"}
  STATE
contract: {columns: [COLUMNS]}
"""
# What moves, and whether the filter reads a column that stays.
SHAPES = {
    "plain": MAPPING.replace("  filter: FILTER\n", "")
    .replace("STATE", "state: state")
    .replace("COLUMNS", "doc, name, code, at, size, state"),
    "filter": MAPPING.replace("FILTER", "state = 'kept' AND size IS DISTINCT FROM 5")
    .replace("  STATE\n", "")
    .replace("COLUMNS", "doc, name, code, at, size, state"),
    "stays": MAPPING.replace("FILTER", "state = 'kept'")
    .replace("  STATE\n", "")
    .replace("COLUMNS", "size, at, doc, name, code"),
}
KEYS = st.tuples(st.integers(1, 5), st.integers(0, 2))
STATES = ("'kept'", "'gone'")
KINDS = ("update",) * 3 + ("stay", "both", "new", "old", "gone", "gone_new", "gone_old")
NEW = {
    "title": st.sampled_from(["a", "", None, "exactly8", "much too long"]),
    "code": st.sampled_from(["x", "x ", None, "X"]),
    "at": st.sampled_from(["2026-01-01 00:00:00+00", "infinity", None]),
    "size": st.sampled_from(["1.00", "1.001", "5", None]),
    "doc": st.sampled_from(['{"a": [1, 2.50]}', "null", None]),
    "stars": st.sampled_from(["5", None]),
}


def _where(key: tuple[int, int]) -> str:
    return f"WHERE id = {key[0]} AND part = {key[1]}"


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value + "'"


@st.composite
def writes(draw: st.DrawFn, shape: str) -> list[str]:
    """The statements of one transaction of an application that writes both tables, or one.

    A row is inserted only where neither table has the key: else, what contract keeps of a row that
    went on one side alone would count, and the sync would have deleted it.
    """
    key = draw(KEYS)
    place = f"({key[0]}, {key[1]}"
    kind = draw(st.sampled_from(KINDS + (("state",) * 2 if shape == "stays" else ())))
    # Inserts give all values: an upsert of a row that the sync has just made keeps the others.
    values = draw(
        st.fixed_dictionaries({}, optional=NEW) if kind == "update" else st.fixed_dictionaries(NEW)
    )
    names = "".join(f", {name}" for name in values)
    given = "".join(f", {_literal(value)}" for value in values.values())
    if shape == "plain" and kind != "update":
        names, given = f"{names}, state", f"{given}, 'kept'"
    absent = f"SELECT 1 FROM old.item {_where(key)} UNION SELECT 1 FROM new.item {_where(key)}"
    old_row = f"INSERT INTO old.item (id, part, n) VALUES {place}, 0)"
    new_row = f"INSERT INTO new.item (id, part{names}) VALUES {place}{given})"
    upsert = ", ".join(f"{n} = excluded.{n}" for n in values) or "stars = 1"
    what = ", ".join(f"{name} = {_literal(value)}" for name, value in values.items())
    state = draw(st.sampled_from(STATES))
    new_gone, old_gone = (f"DELETE FROM {side}.item {_where(key)}" for side in ("new", "old"))
    return {
        "update": [f"UPDATE new.item SET {what or 'stars = 4'} {_where(key)}"],
        "stay": [f"UPDATE old.item SET n = n + 1 {_where(key)}"],
        "state": [f"UPDATE old.item SET state = {state} {_where(key)}"],
        "both": [absent, old_row, f"{new_row} ON CONFLICT (part, id) DO UPDATE SET {upsert}"],
        "new": [absent, new_row],
        "old": [absent, old_row],
        "gone": [new_gone, old_gone],
        "gone_new": [new_gone],
        "gone_old": [old_gone],
    }[kind]


class Pair:
    """Two databases of one shape, and the statements that went to both."""

    def __init__(self, contracted: str, plain: str, directory: Path) -> None:
        self.dsn = contracted
        self.directory = directory
        self.one, self.two = connect(contracted), connect(plain)
        self.log: list[str] = []

    def write(self, statements: list[str]) -> None:
        for connection in (self.one, self.two):
            connection.execute("BEGIN")
        try:
            for statement in statements:
                counts = [c.execute(statement.encode()).rowcount for c in (self.one, self.two)]
                # What the sync deletes on the other side at once, contract leaves until its revert.
                if counts[0] != counts[1] or (statement.startswith("SELECT") and counts[0]):
                    raise psycopg.Error("on one side alone")
        except psycopg.Error as error:
            self.log.append(f"refused: {statements} {error}")
            for connection in (self.one, self.two):
                connection.execute("ROLLBACK")
        else:
            self.log.append(str(statements))
            for connection in (self.one, self.two):
                connection.execute("COMMIT")

    def run(self, script: str, upto: str | None = None) -> None:
        """A script, or its beginning, as an interruption leaves it."""
        self.log.append(f"{script} {upto or ''}")
        path = self.directory / script
        if upto:
            text = path.read_text()
            assert upto in text
            path = self.directory / f"{script.replace('/', '_')}_part.sql"
            path.write_text(text.partition(upto)[0] + "\n\\quit\n")
        psql(path, self.dsn)

    def content(self, connection: Any) -> tuple[list[Any], list[Any]]:
        # What the archive keeps counts as the same where its image is.
        old = (
            "SELECT id, part, name, lower(code), at::text, size, nullif(doc, 'null'), state, n "
            "FROM old.item ORDER BY id, part"
        )
        new = "SELECT id, part, title, code, at::text, size, doc FROM new.item ORDER BY id, part"
        return connection.execute(old).fetchall(), connection.execute(new).fetchall()

    def equal(self) -> None:
        for connection in (self.one, self.two):
            connection.execute("CALL pgtandem.drain('item')")
        found, expected = self.content(self.one), self.content(self.two)
        assert found == expected, "\n".join(self.log)
        clean = (
            "SELECT count(*) FROM pgtandem_item.compared() "
            "WHERE changed OR NOT in_source OR NOT in_target"
        )
        for connection in (self.one, self.two):
            assert connection.execute(clean).fetchone() == (0,), "\n".join(self.log)

    def close(self) -> None:
        self.one.close()
        self.two.close()


_numbers = count(1)


class Columns:
    """A template of a shape, copied and compared, and pairs of databases made of it."""

    def __init__(self, world: Any, built: Built) -> None:
        self.world = world
        self.built = built

    @contextmanager
    def pair(self) -> Iterator[Pair]:
        template = psycopg.conninfo.conninfo_to_dict(self.built.dsn)["dbname"]
        names = [f"columns_{next(_numbers)}" for _ in range(2)]
        with connect(self.world.server.dsn()) as admin, ExitStack() as stack:
            for name in names:
                self.world._create(name, template)
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
                stack.callback(admin.execute, drop)
            dsns = [self.world.server.dsn(name, OWNER) for name in names]
            pair = Pair(*dsns, self.built.directory)
            stack.callback(pair.close)
            yield pair


@pytest.fixture
def columns(world: Any, dsn: str, tmp_path: Path) -> Callable[[str], Columns]:
    def make(shape: str, change: Callable[[str], str] = lambda script: script) -> Columns:
        built = build(dsn, SHAPES[shape], LEGACY, ("expand", "sync", "backfill"), change, tmp_path)
        with connect(dsn) as owner:
            owner.execute("CALL pgtandem.compare('item')")
        return Columns(world, built)

    return make


def round_trip(columns: Columns, shape: str) -> None:
    """The property, for scripts that may be broken on purpose."""
    some = st.lists(writes(shape), max_size=6)

    # Each takes seconds, so few, and none is made small.
    @settings(max_examples=settings().max_examples // 4, phases=[Phase.generate])
    @given(before=some, between=some, meanwhile=some, late=some)
    def check(before, between, meanwhile, late):
        with columns.pair() as pair:
            # Interrupted after the archive was begun, and taken up again.
            pair.run("deploy/item_contract.sql", "\n-- Without it")
            for statements in before:
                pair.write(statements)
            pair.run("deploy/item_contract.sql")
            for statements in between:
                pair.write(statements)
            pair.run("revert/item_contract.sql", "\nCALL pgtandem.walk(")
            for statements in meanwhile:
                pair.write(statements)
            pair.run("revert/item_contract.sql", "\nCALL pgtandem.carry_back(")
            for statements in late:
                pair.write(statements)
            pair.run("revert/item_contract.sql")
            pair.equal()

    check()


@pytest.mark.both
@pytest.mark.parametrize("shape", SHAPES)
def test_as_if_the_columns_had_never_left(columns, shape):
    round_trip(columns(shape), shape)
