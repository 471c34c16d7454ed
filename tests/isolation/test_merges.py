"""Merges: the application of the target and ours at the same row, at the same instant."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from conftest import fresh_database
from helpers import OWNER, Session
from isolation.derived_world import Derived
from isolation.world import LEVELS, attempt, start

RC = LEVELS[0]
LEGACY = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.state (id integer PRIMARY KEY, name text, at integer);
CREATE TABLE new.state (id integer PRIMARY KEY, name text, at integer, own text DEFAULT 'own');
GRANT USAGE ON SCHEMA old, new TO old_app, new_app;
GRANT ALL ON old.state TO old_app;
GRANT ALL ON new.state TO new_app;
"""
MAPPING = """
mapping: merged
source: {{table: old.state, columns: {{id: integer, name: text, at: integer}}}}
target: {{table: new.state, columns: {{id: integer, name: text, at: integer}}}}
key: [id]
columns: {{id: id, name: name, at: at}}
merge: {{{}}}
sync: {{mode: queued, ways: forward}}
"""
CHUNK = "SELECT pgtandem_merged.copy_chunk('old.state', 0, 1000, 'overwrite')"
SETTLE = "SELECT pgtandem_merged.settle('[1]')"
COPY = "pgtandem_merged.copy_chunk(regclass,bigint,bigint,text)"
Row = tuple[Any, ...]


class Merged(Derived):
    """One row on either side, its key 1; the source's is of 5 o'clock."""

    def __init__(self, dsn: str, stack: ExitStack, wins: str) -> None:
        super().__init__(dsn, stack, MAPPING.format(wins), LEGACY)
        self.wins = wins.partition(",")[0].removeprefix("wins: ")
        self.gate("INSERT")

    def fresh(self, target: str | None = None) -> None:
        """The copy is open and has not begun; the target's row, if there is to be one."""
        self.owner.run("TRUNCATE new.state")
        self.owner.run(
            "INSERT INTO old.state VALUES (1, 'old', 5) ON CONFLICT (id) DO UPDATE SET name = 'old', at = 5"
        )
        if target:
            self.owner.run(f"INSERT INTO new.state VALUES (1, 'new', {target})")
        self.owner.run("DELETE FROM pgtandem.recheck")
        self.owner.run("SELECT pgtandem.open_copy('merged')")

    def row(self) -> Row:
        """What the target holds."""
        (row,) = self.owner.run("SELECT name, at, own FROM new.state")
        return row

    @contextmanager
    def broken(self, routine: str, old: str, new: str) -> Iterator[None]:
        """A piece of a routine taken out for a while."""
        text = self.value(f"SELECT pg_get_functiondef('{routine}'::regprocedure)")
        assert old in text, f"{routine} has no {old!r}"
        self.owner.run(text.replace(old, new))
        try:
            yield
        finally:
            self.owner.run(text)


@pytest.fixture(scope="module")
def make_merged(server: Any, engine_template: str) -> Iterator[Callable[[str], Merged]]:
    """A database for each rule, made once."""
    made: dict[str, Merged] = {}
    with ExitStack() as stack:

        def make(rule: str) -> Merged:
            if rule not in made:
                name = stack.enter_context(
                    fresh_database(server, f"merged_{rule}", engine_template)
                )
                wins = "wins: newest, by: at" if rule == "newest" else f"wins: {rule}"
                made[rule] = Merged(server.dsn(name, OWNER), stack, wins)
            return made[rule]

        yield make


# The rule, the time that the application writes, and who wins of the two.
CASES = {
    "source": ("source", "9", "old"),
    "target": ("target", "1", "app"),
    "newer": ("newest", "9", "app"),
    "a tie": ("newest", "5", "app"),
    "older": ("newest", "1", "old"),
    "no time": ("newest", "NULL", "old"),
}
UPDATE = "UPDATE new.state SET name = 'app', at = {}, own = 'app' WHERE id = 1"
INSERT = "INSERT INTO new.state VALUES (1, 'app', {}, 'app')"


def first(world: Merged, level: str, at: str, ours: str, write: str) -> Row:
    """The application has written and not committed when ours comes; what the row is then."""
    world.fresh("0" if write == UPDATE else None)
    with Session(world.dsn, user="new_app") as writer, Session(world.dsn) as session:
        app = start(writer, level)
        app.run(write.format(at))
        session.send(ours)
        if world.wins == "target" and write == UPDATE:
            session.result()  # it is there: nobody waits for anybody
            app.run("COMMIT")
        else:
            session.waits_for_lock(app)
            app.run("COMMIT")
            session.result()
    return world.row()


@pytest.mark.both
@pytest.mark.parametrize("case", CASES)
def test_the_application_is_first(make_merged: Any, level: str, case: str) -> None:
    """The predicate looks at what the row holds when the lock is ours, not at what it held."""
    rule, at, winner = CASES[case]
    world = make_merged(rule)
    for ours in (CHUNK, SETTLE):
        for write in (UPDATE, INSERT):
            name, time, own = first(world, level, at, ours, write)
            written = None if at == "NULL" else int(at)
            assert (name, time) == ((winner, written) if winner == "app" else ("old", 5))
            assert own == "app"
            # It agrees, so there is nothing to be settled either.
            assert world.differences() == []
            assert world.value(SETTLE) == "equal"


@pytest.mark.parametrize("rule", ["source", "target", "newest"])
def test_the_application_is_second(make_merged: Any, level: str, rule: str) -> None:
    """Ours has written and not committed: the application's write comes on top, or is told to retry."""
    world = make_merged(rule)
    for ours in (CHUNK, SETTLE):
        world.fresh("0")
        with Session(world.dsn, user="new_app") as writer, Session(world.dsn) as session:
            app = start(writer, level)
            session.run("BEGIN")
            session.run(ours)
            app.send(UPDATE.format("9"))
            if rule != "target":
                app.waits_for_lock(session)
            session.run("COMMIT")
            error = attempt(app.result)
            app.run("ROLLBACK" if error else "COMMIT")
        told = level != RC and rule != "target"
        assert error == ("40001" if told else "")
        assert world.row() == (("old", 5, "own") if told else ("app", 9, "app"))


def source_changes(world: Merged, level: str, target: str | None) -> None:
    """A chunk has read the source's row and not written it yet."""
    world.fresh(target)
    with (
        Session(world.dsn, user="old_app") as writer,
        Session(world.dsn, application_name="held") as chunk,
    ):
        old = start(writer, level)
        world.list_chunks()
        with world.locked() as holder:
            chunk.run("BEGIN")
            chunk.send(CHUNK).waits_for_lock(holder)
            old.send("UPDATE old.state SET name = 'late', at = 6 WHERE id = 1")
            if world.wins == "source":
                old.waits_for_lock(chunk)
            else:  # the old application waits for nothing
                old.result()
                old.run("COMMIT")
                world.owner.run("SELECT pgtandem._drain_batch('merged')")
                assert world.row()[:2] == ("late", 6)
        chunk.result()
        chunk.run("COMMIT")
        if world.wins == "source":
            assert attempt(old.result) == ""  # locked, not changed
            old.run("COMMIT")
        else:
            assert world.row()[:2] == ("late", 6)
    world.backfill()
    world.drain()
    assert world.row()[:2] == ("late", 6)
    assert world.differences() == []


@pytest.mark.parametrize("rule", ["source", "target", "newest"])
def test_the_source_changes_under_a_chunk(make_merged: Any, level: str, rule: str) -> None:
    """The older image does not come last."""
    world = make_merged(rule)
    source_changes(world, level, None)
    if rule != "target":
        source_changes(world, level, "0")


def untouched(world: Merged, held: str) -> bool:
    """Whether a chunk leaves a row as it is, by its place, xmin and xmax."""
    world.fresh()
    world.owner.run(f"INSERT INTO new.state VALUES (1, {held})")
    look = "SELECT ctid, xmin, xmax FROM new.state"
    before = world.owner.run(look)
    return world.value(CHUNK) == 0 and world.owner.run(look) == before


@pytest.mark.both
def test_what_stays_is_neither_written_nor_locked(make_merged: Any) -> None:
    """No WAL for what is right already."""
    for rule, held in (("source", "'old', 5"), ("target", "'x', 1"), ("newest", "'x', 5")):
        world = make_merged(rule)
        assert untouched(world, held)
        assert untouched(world, "'y', 0") == (rule == "target")


NEWER = "coalesce({0}.at > t.at, {0}.at IS NOT NULL AND t.at IS NULL)"
EXCLUDED, IMAGE = NEWER.format("excluded"), NEWER.format("i")
SETTLED = "pgtandem_merged.settle(jsonb)"
MUTATIONS = {
    "a chunk looks only at its snapshot": ("newest", COPY, EXCLUDED, "true", lambda w: first(w, RC, "9", CHUNK, UPDATE)[0] == "app"),
    "a chunk overwrites what came": ("newest", COPY, EXCLUDED, "true", lambda w: first(w, RC, "9", CHUNK, INSERT)[0] == "app"),
    "a chunk brings an older image": ("newest", COPY, EXCLUDED, "true", lambda w: source_changes(w, RC, "0")),
    "a chunk proposes what stays": ("newest", COPY, f"NOT {IMAGE}", "false", lambda w: untouched(w, "'x', 5")),
    "a drain overwrites what is newer": ("newest", SETTLED, f"AND {IMAGE};", ";", lambda w: first(w, RC, "9", SETTLE, UPDATE)[0] == "app"),
    "a drain overwrites what came": ("newest", SETTLED, f"AND {IMAGE};", ";", lambda w: first(w, RC, "9", SETTLE, INSERT)[0] == "app"),
    "a chunk does not hold the source": ("source", COPY, "FOR NO KEY UPDATE OF source", "", lambda w: source_changes(w, RC, None)),
    "a chunk leaves what came": ("source", COPY, "WHERE (t.name IS DISTINCT FROM excluded", "WHERE false AND (t.name IS DISTINCT FROM excluded", lambda w: first(w, RC, "9", CHUNK, INSERT)[0] == "old"),
    "a chunk takes what came": ("target", COPY, "DO NOTHING", "DO UPDATE SET name = excluded.name", lambda w: first(w, RC, "1", CHUNK, INSERT)[0] == "app"),
    "a drain deletes and creates": ("target", SETTLED, "IF FOUND THEN\n            RETURN 'equal'", "DELETE FROM new.state;\n        IF false THEN\n            RETURN 'equal'", lambda w: first(w, RC, "1", SETTLE, INSERT)[0] == "app"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_is_broken_is_found(make_merged: Any, name: str) -> None:
    """Without a piece of it, the test of its interleaving fails."""
    rule, routine, old, new, test = MUTATIONS[name]
    world = make_merged(rule)
    with world.broken(routine, old, new):
        try:
            holds = test(world)
        except AssertionError:
            holds = False
    assert holds is False
