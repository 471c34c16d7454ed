"""Joins, rows and in place: exact interleavings of writers, drains and chunks."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from isolation import derived_world as worlds
from isolation.derived_world import Derived
from isolation.world import LEVELS, attempt, start

RC, RR, _ = LEVELS
SETTLE = "settle(jsonb)"


@pytest.fixture
def make_derived(make_database: Callable[..., str], engine_template: str) -> Iterator[Any]:
    """Make a world of a mapping."""
    with ExitStack() as stack:
        yield lambda mapping, legacy: Derived(
            make_database(engine_template), stack, mapping, legacy
        )


@pytest.fixture
def sums(make_derived: Any) -> Derived:
    """Aggregates, directly and through another table."""
    return make_derived(worlds.JOINS, worlds.JOINED)


@pytest.fixture
def parts(make_derived: Any) -> Derived:
    """One row to several."""
    return make_derived(worlds.PARTS, worlds.PROFILES)


@pytest.fixture
def renamed(make_derived: Any) -> Derived:
    """A renamed column, in place."""
    return make_derived(worlds.RENAMED, worlds.PEOPLE)


def paid(world: Derived) -> dict[int, int]:
    return dict(world.owner.run("SELECT person_id, paid FROM bill.sum ORDER BY 1"))


def days(world: Derived) -> dict[int, int]:
    return dict(world.owner.run("SELECT person_id, days FROM bill.sum ORDER BY 1"))


# Joins


@pytest.mark.parametrize("open_copy", [True, False], ids=["open", "complete"])
def test_two_payments_of_one_user_at_once(sums: Derived, level: str, open_copy: bool) -> None:
    """Neither sees the other; a drain between their commits sees one of them."""
    world = sums
    if not open_copy:
        world.backfill()
    one, two = start(world.old(), level), start(world.old(), level)
    one.run("INSERT INTO bill.payment VALUES (10, 1, 100)")
    two.run("INSERT INTO bill.payment VALUES (11, 1, 1000)")
    one.run("COMMIT")
    world.owner.run(world.drain_call)
    assert paid(world)[1] == 110
    two.run("COMMIT")
    world.owner.run(world.drain_call)
    assert paid(world)[1] == 1110
    world.settled()


def test_refund_during_the_backfill(sums: Derived, level: str) -> None:
    """The chunk has read the payment; the refund commits, a drain settles it; the chunk comes last."""
    world = sums
    refund, chunk = start(world.old(), level), world.held()
    refund.run("DELETE FROM bill.payment WHERE id = 1")
    world.gate("INSERT", "NEW.person_id = 1")
    copy = world.chunk()
    with world.locked() as holder:
        chunk.run("BEGIN")
        chunk.send(copy).waits_for_lock(holder)
        refund.run("COMMIT")
        world.owner.run("SELECT pgtandem._drain_batch('sums')")
        assert paid(world) == {1: 0}
    chunk.result()
    chunk.run("COMMIT")
    world.settled()
    assert paid(world)[1] == 0


def test_chunk_overwrites_with_an_older_image(sums: Derived, level: str) -> None:
    """The target has rows, so chunks overwrite: what a drain settled meanwhile comes again."""
    world = sums
    world.backfill()
    world.built.revert("sync")
    world.owner.run("UPDATE bill.sum SET paid = -1")
    world.built.deploy("sync")
    writer, chunk = start(world.old(), level), world.held()
    world.gate("INSERT", "NEW.person_id = 1")
    copy = world.chunk()
    with world.locked() as holder:
        chunk.run("BEGIN")
        chunk.send(copy).waits_for_lock(holder)
        writer.run("UPDATE bill.payment SET amount = 11 WHERE id = 1")
        writer.run("COMMIT")
        world.owner.run("SELECT pgtandem._drain_batch('sums')")
        assert paid(world)[1] == 11
    chunk.result()
    chunk.run("COMMIT")
    world.settled()
    assert paid(world)[1] == 11


@pytest.mark.parametrize("first", ["message", "move"])
@pytest.mark.parametrize("between", ["a drain", "no drain"])
def test_talk_moves_while_a_message_comes(
    sums: Derived, level: str, first: str, between: str
) -> None:
    """The message's talk moves to another person, and neither writer sees the other."""
    world = sums
    world.backfill()
    message, move = start(world.old(), level), start(world.old(), level)
    message.run("INSERT INTO bill.message VALUES (1, 1, 1)")
    move.run("UPDATE bill.talk SET person_id = 2 WHERE id = 1")
    order = (message, move) if first == "message" else (move, message)
    for session in order:
        session.run("COMMIT")
        if between == "a drain":
            world.owner.run(world.drain_call)
    world.settled()
    assert days(world) == {1: 0, 2: 1, 3: 0}


def test_message_queued_before_the_close_is_resolved_by_it(sums: Derived) -> None:
    """An entry by way of the talk, committed while the chunk ran: the close looks behind it."""
    world = sums
    chunk, writer = world.held(), world.old()
    world.gate("INSERT", "NEW.person_id = 1")
    copy = world.chunk()
    with world.locked() as holder:
        chunk.run("BEGIN")
        chunk.send(copy).waits_for_lock(holder)
        writer.run("INSERT INTO bill.message VALUES (1, 1, 1)")
    chunk.result()
    chunk.run("COMMIT")
    world.backfill()
    world.complete()
    assert days(world)[1] == 1


def test_talk_and_its_person_go_while_a_message_comes(sums: Derived, level: str) -> None:
    """Cascades: nobody is left behind the entries, and nothing in the target."""
    world = sums
    world.backfill()
    writer = start(world.old(), level)
    writer.run("INSERT INTO bill.message VALUES (1, 1, 1)")
    writer.run("DELETE FROM bill.person WHERE id = 1")
    writer.run("COMMIT")
    world.settled()
    assert 1 not in days(world)


def test_paying_for_the_same_two_in_opposite_order(sums: Derived, level: str) -> None:
    """No deadlock, no failure, and nobody waits for any lock."""
    world = sums
    world.backfill()
    one, two = start(world.old(), level), start(world.old(), level)
    one.run("SET lock_timeout = '1s'")
    two.run("SET lock_timeout = '1s'")
    for session, number, person in ((one, 10, 1), (two, 20, 2), (one, 11, 2), (two, 21, 1)):
        session.send(f"INSERT INTO bill.payment VALUES ({number}, {person}, 1)")
        session.result()
        locks = world.owner.run(
            "SELECT locktype, relation::regclass::text, mode FROM pg_locks "
            "WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert locks == []
    one.run("COMMIT")
    two.run("COMMIT")
    world.settled()
    assert paid(world) == {1: 12, 2: 22, 3: 0}


def test_writers_wait_for_no_drain(sums: Derived, level: str) -> None:
    """A drain that is held with the target's row in its hands holds up no writer of any table."""
    world = sums
    world.backfill()
    world.old().run("UPDATE bill.payment SET amount = 11 WHERE id = 1")
    drain, writer = world.held(), start(world.old(), level)
    writer.run("SET lock_timeout = '1ms'")
    world.gate("UPDATE")
    with world.locked() as holder:
        drain.send(world.drain_call).waits_for_lock(holder)
        writer.run("UPDATE bill.payment SET amount = 12 WHERE id = 1")
        writer.run("UPDATE bill.talk SET person_id = 1 WHERE id = 2")
        writer.run("DELETE FROM bill.person WHERE id = 1")
        writer.run("COMMIT")
    drain.result()
    world.settled()


def test_truncate_of_a_joined_table_is_refused(sums: Derived) -> None:
    for table in ("payment", "talk, bill.message", "message", "person CASCADE"):
        with pytest.raises(psycopg.Error) as refused:
            sums.owner.run(f"TRUNCATE bill.{table}")
        assert refused.value.sqlstate == "TD014"


def test_replicated_rows_of_joined_tables(sums: Derived) -> None:
    """Logical replication applies rows in the role replica: the triggers are ENABLE ALWAYS."""
    world = sums
    world.backfill()
    applier = world.session("postgres")
    applier.run("SET session_replication_role = replica")
    applier.run("INSERT INTO bill.payment VALUES (10, 2, 100)")
    applier.run("INSERT INTO bill.message VALUES (10, 1, 1)")
    applier.run("INSERT INTO bill.person VALUES (7)")
    world.settled()
    assert (paid(world)[2], days(world)[1], paid(world)[7]) == (120, 1, 0)


def partitioned(legacy: str) -> str:
    """The source and the payments by ranges of their keys, one partition with another layout."""
    person, payment = (
        "CREATE TABLE bill.person (id integer PRIMARY KEY",
        "CREATE TABLE bill.payment (",
    )
    assert person in legacy
    assert payment in legacy
    return (
        legacy.replace(
            ") WITH (fillfactor = 10);",
            ") PARTITION BY RANGE (id);"
            "CREATE TABLE bill.low PARTITION OF bill.person FOR VALUES FROM (0) TO (3);"
            "CREATE TABLE bill.high (gone text, seen integer DEFAULT 0, name text, id integer NOT NULL PRIMARY KEY);"
            "ALTER TABLE bill.high DROP COLUMN gone;"
            "ALTER TABLE bill.person ATTACH PARTITION bill.high FOR VALUES FROM (3) TO (1000);",
        )
        .replace(
            "person_id integer, amount integer);",
            "person_id integer, amount integer) PARTITION BY RANGE (id);"
            "CREATE TABLE bill.payment_1 PARTITION OF bill.payment FOR VALUES FROM (0) TO (10);"
            "CREATE TABLE bill.payment_2 (amount integer, person_id integer, id integer NOT NULL PRIMARY KEY);"
            "ALTER TABLE bill.payment ATTACH PARTITION bill.payment_2 FOR VALUES FROM (10) TO (1000);",
        )
    )  # fmt: skip


def test_partitioned_tables(make_derived: Any) -> None:
    """Rows that change partition, a TRUNCATE of one partition of a joined table."""
    world = make_derived(worlds.JOINS, partitioned(worlds.JOINED))
    world.owner.run("INSERT INTO bill.payment VALUES (11, 3, 5)")
    world.backfill()
    writer = world.owner
    writer.run("DELETE FROM bill.talk")
    writer.run("UPDATE bill.person SET id = 30 WHERE id = 1")
    writer.run("UPDATE bill.payment SET id = id + 20, person_id = 30")
    writer.run("INSERT INTO bill.person (id) VALUES (2000 - 1100)")
    world.settled()
    assert paid(world) == {2: 0, 3: 0, 30: 35, 900: 0}
    with pytest.raises(psycopg.Error) as refused:
        writer.run("TRUNCATE bill.payment_2")
    assert refused.value.sqlstate == "TD014"


# Rows


def test_chunk_puts_back_a_part(parts: Derived, level: str) -> None:
    """The chunk has read two parts; a drain puts another in their place; the chunk comes last."""
    world = parts
    writer, chunk = start(world.old(), level), world.held()
    world.gate("INSERT", "NEW.kind = 'a'")
    copy = world.chunk()
    with world.locked() as holder:
        chunk.run("BEGIN")
        chunk.send(copy).waits_for_lock(holder)
        writer.run("""UPDATE old.profile SET data = '{"c": 1}' WHERE id = 1""")
        writer.run("COMMIT")
        world.owner.run("SELECT pgtandem._drain_batch('parts')")
    chunk.result()
    chunk.run("COMMIT")
    world.settled()
    assert world.owner.run("SELECT kind FROM new.part WHERE id = 1") == [("c",)]


def test_drain_looks_again_after_a_chunk(parts: Derived) -> None:
    """The drain inserts a part, the chunk has just put in another with an older value."""
    world = parts
    chunk, drain = world.held(), world.session()
    world.gate("INSERT", "NEW.kind = 'b'")
    copy = world.chunk()
    with world.locked() as holder:
        chunk.run("BEGIN")
        chunk.send(copy).waits_for_lock(holder)
        world.old().run("""UPDATE old.profile SET data = '{"a": 7}' WHERE id = 1""")
        drain.run("SET lock_timeout = 0")
        drain.send("SELECT pgtandem_parts.settle('[1]')").waits_for_lock(chunk)
    chunk.result()
    chunk.run("COMMIT")
    drain.result()
    parts_now = world.owner.run("SELECT kind, value FROM new.part WHERE id = 1")
    assert parts_now == [("a", 7)]
    world.settled()


def test_a_part_of_the_new_applications_own_stays(parts: Derived, level: str) -> None:
    """Its row is not the mapping's, so no drain takes it away, whatever happens to the source."""
    world = parts
    world.backfill()
    writer = start(world.new(), level)
    writer.run("INSERT INTO new.part VALUES (1, 'mine', '0')")
    world.old().run("DELETE FROM old.profile WHERE id = 1")
    world.owner.run(world.drain_call)
    writer.run("COMMIT")
    world.owner.run("SELECT pgtandem.queue('parts', '[1]', 'difference')")
    world.settled()
    assert world.owner.run("SELECT kind FROM new.part WHERE id = 1") == [("mine",)]


# In place


def row(world: Derived, number: int = 1) -> tuple[Any, ...]:
    return world.owner.run(f"SELECT name, full_name FROM shop.person WHERE id = {number}")[0]


@pytest.mark.parametrize("column", ["name", "full_name", "seen"])
def test_chunk_comes_after_a_writer(renamed: Derived, level: str, column: str) -> None:
    """The chunk waits for the row, and then writes what is current."""
    world = renamed
    writer, chunk = start(world.new(), level), world.session()
    writer.run(f"UPDATE shop.person SET {column} = '9' WHERE id = 1")
    world.rewrite("pgtandem._copy_next(text,bigint,text)", "'100ms'", "'10s'")
    copy = world.chunk()
    chunk.run("BEGIN")
    chunk.send(copy).waits_for_lock(writer)
    writer.run("COMMIT")
    chunk.result()
    chunk.run("COMMIT")
    world.settled()
    assert row(world) == (("v1", "v1") if column == "seen" else ("9", "9"))


@pytest.mark.parametrize("column", ["name", "full_name", "seen"])
def test_writer_comes_after_a_chunk(renamed: Derived, level: str, column: str) -> None:
    """The writer waits for the chunk; with a snapshot of its own it has to come again, as always."""
    world = renamed
    chunk, writer = world.session(), start(world.new(), level)
    chunk.run("BEGIN")
    chunk.run(world.chunk())
    write = f"UPDATE shop.person SET {column} = '9' WHERE id = 1"
    writer.send(write).waits_for_lock(chunk)
    chunk.run("COMMIT")
    if level == RC:
        writer.result()
        writer.run("COMMIT")
    else:
        assert attempt(writer.result) == "40001"
        writer.run("ROLLBACK")
        writer.run(write)
    world.settled()
    assert row(world) == (("v1", "v1") if column == "seen" else ("9", "9"))


def test_old_and_new_application_on_one_row(renamed: Derived, level: str) -> None:
    """Who comes last wins, with all of the row."""
    world = renamed
    old, new = start(world.old(), level), start(world.new(), level)
    old.run("UPDATE shop.person SET name = 'old' WHERE id = 1")
    new.send("UPDATE shop.person SET full_name = 'new' WHERE id = 1").waits_for_lock(old)
    old.run("COMMIT")
    if level == RC:
        new.result()
        new.run("COMMIT")
    else:
        assert attempt(new.result) == "40001"
        new.run("ROLLBACK")
        new.run("UPDATE shop.person SET full_name = 'new' WHERE id = 1")
    assert row(world) == ("new", "new")
    world.settled()


def test_row_that_is_not_copied_yet_moves(renamed: Derived, level: str) -> None:
    """An update of a column that nobody maps takes it behind the chunks: it goes copied."""
    world = renamed
    world.list_chunks()
    world.owner.run(
        "INSERT INTO shop.person (id, name) SELECT n, 'v' FROM generate_series(10, 300) AS n"
    )
    writer = start(world.old(), level)
    writer.run("UPDATE shop.person SET pad = repeat('y', 2000) WHERE id = 1")
    writer.run("COMMIT")
    (block,) = world.owner.run("SELECT (ctid::text::point)[0] FROM shop.person WHERE id = 1")[0]
    assert block > 0
    assert row(world) == ("v1", "v1")
    world.settled()


def test_new_applications_value_of_a_row_that_is_not_copied_yet(
    renamed: Derived, level: str
) -> None:
    world = renamed
    writer = start(world.new(), level)
    writer.run("UPDATE shop.person SET full_name = 'new' WHERE id = 1")
    writer.run("COMMIT")
    assert row(world) == ("new", "new")
    world.settled()
    assert row(world) == ("new", "new")
